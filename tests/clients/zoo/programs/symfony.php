<?php
// Symfony's notifier: it sends, and lists nothing. Its client takes the CA from openssl's or curl's defaults.
require '/usr/share/php/Symfony/Component/Notifier/Bridge/Twilio/autoload.php';
use Symfony\Component\HttpClient\HttpClient;
use Symfony\Component\Notifier\Bridge\Twilio\TwilioTransport;
use Symfony\Component\Notifier\Message\SmsMessage;

$client = HttpClient::create(['cafile' => getenv('ROOT')]);
$transport = new TwilioTransport(getenv('ACCOUNT'), getenv('PASSWORD'), '+15005550006', $client);
$sent = $transport->send(new SmsMessage('+15005550009', getenv('TEXT')));
echo json_encode(['sid' => substr($sent->getMessageId(), 0, 2)]), "\n";
