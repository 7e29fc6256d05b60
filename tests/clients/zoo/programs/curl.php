<?php
// PHP's curl, which the SDK of PHP uses. CURLOPT_CAINFO stands for the ini setting curl.cainfo.
[$account, $password, $text] = [getenv('ACCOUNT'), getenv('PASSWORD'), getenv('TEXT')];
function call($url, $form = null)
{
    global $account, $password;
    $curl = curl_init($url);
    curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true, CURLOPT_USERPWD => "$account:$password", CURLOPT_CAINFO => getenv('ROOT')]);
    if ($form) {
        curl_setopt($curl, CURLOPT_POSTFIELDS, http_build_query($form));
    }
    $body = curl_exec($curl);
    if ($body === false) {
        fwrite(STDERR, curl_error($curl));
        exit(1);
    }
    return json_decode($body, true);
}
$host = getenv('BASE') ?: 'https://api.twilio.com';
$made = call("$host/2010-04-01/Accounts/$account/Messages.json", ['To' => '+15005550009', 'From' => '+15005550006', 'Body' => $text]);
$texts = [];
for ($next = "/2010-04-01/Accounts/$account/Messages.json?PageSize=2"; $next && count($texts) < 5; $next = $page['next_page_uri']) {
    $page = call($host . $next);
    $texts = array_merge($texts, array_column($page['messages'], 'body'));
}
echo json_encode(['sid' => substr($made['sid'], 0, 2), 'listed' => count($texts), 'own' => in_array($text, $texts)]), "\n";
