<?php
// A program with PHP's curl: it knows neither a proxy nor the gateway.
[$sid, $token] = [getenv('TWILIO_ACCOUNT_SID'), getenv('TWILIO_AUTH_TOKEN')];

function ask(string $method, string $url, ?array $form = null): array
{
    global $sid, $token;
    $curl = curl_init($url);
    curl_setopt_array($curl, [
        CURLOPT_CUSTOMREQUEST => $method,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_USERPWD => "$sid:$token",
        CURLOPT_TIMEOUT => 20,
    ]);
    if ($form !== null) {
        curl_setopt($curl, CURLOPT_POSTFIELDS, http_build_query($form));
    }
    $body = curl_exec($curl);
    if ($body === false) {
        fwrite(STDERR, curl_error($curl));
        exit(4);
    }
    $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    if ($status >= 400) {
        echo json_encode(['refused' => $status, 'message' => json_decode($body, true)['message']]), "\n";
        exit(3);
    }
    return [$status, $body];
}

$host = 'https://api.twilio.com';
$messages = "/2010-04-01/Accounts/$sid/Messages";
$made = [];
for ($number = 0; $number < 5; $number++) {
    $form = ['To' => '+15005550006', 'From' => '+15005550001', 'Body' => "php $number"];
    $made[] = json_decode(ask('POST', "$host$messages.json", $form)[1], true)['sid'];
}
$pages = $listed = 0;
for ($next = "$messages.json?PageSize=2"; $next; $pages++) {
    $page = json_decode(ask('GET', $host . $next)[1], true);
    $listed += count($page['messages']);
    $next = $page['next_page_uri'];
}
$updated = json_decode(ask('POST', "$host$messages/$made[0].json", ['Body' => ''])[1], true)['body'];
$deleted = ask('DELETE', "$host$messages/$made[0].json")[0] === 204;
$other = ask('GET', getenv('OTHER_URL'))[1];
echo json_encode(compact('pages', 'listed', 'updated', 'deleted', 'other')), "\n";
