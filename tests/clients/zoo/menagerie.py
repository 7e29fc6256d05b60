"""Real software that calls Twilio, pinned: how it is installed, what it runs, and by which ways it can come.

A program creates a message, lists messages over pages of two, and says what it got as one line of JSON. It
knows `https://api.twilio.com` and placeholders: everything else is in its environment.
"""

from dataclasses import dataclass
from typing import Final

PYTHON: Final = """
import json, os
from twilio.rest import Client
client = Client(os.environ["ACCOUNT"], "placeholder")
made = client.messages.create(to="+15005550009", from_="+15005550006", body=os.environ["TEXT"])
texts = [each.body for each in client.messages.list(limit=5, page_size=2)]
print(json.dumps({"sid": made.sid[:2], "listed": len(texts), "own": os.environ["TEXT"] in texts}))
"""
PYTHON_6: Final = PYTHON.replace(
    '"placeholder")\n',
    'os.environ["KEY"])\nclient.api.base_url, client.username, client.auth = '
    'os.environ["GATEWAY"], "app", ("app", os.environ["KEY"])\n',
    1,
)
PYTHON_ASYNC: Final = """
import asyncio, json, os
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client
async def main():
    http = AsyncTwilioHttpClient()
    client = Client("app", os.environ["KEY"], os.environ["ACCOUNT"], http_client=http)
    client.api.base_url = os.environ["GATEWAY"] + "/api"
    sent = {"to": "+15005550009", "from_": "+15005550006", "body": os.environ["TEXT"]}
    made = await client.messages.create_async(**sent)
    texts = [each.body for each in await client.messages.list_async(limit=5, page_size=2)]
    print(json.dumps({"sid": made.sid[:2], "listed": len(texts), "own": os.environ["TEXT"] in texts}))
    await client.http_client.close()
asyncio.run(main())
"""
NODE: Final = """
const client = require('twilio')(process.env.ACCOUNT, 'placeholder');
const text = process.env.TEXT;
(async () => {
  const made = await client.messages.create({to: '+15005550009', from: '+15005550006', body: text});
  const listed = await client.messages.list({limit: 5, pageSize: 2});
  console.log(JSON.stringify({sid: made.sid.slice(0, 2), listed: listed.length,
    own: listed.some(each => each.body === text)}));
})().catch(error => { console.error(error); process.exit(1) });
"""
NODE_2: Final = """
const client = require('twilio')(process.env.ACCOUNT, 'placeholder');
const text = process.env.TEXT;
client.messages.create({to: '+15005550009', from: '+15005550006', body: text}, (error, made) => {
  if (error) { console.error(error); process.exit(1) }
  client.messages.list({PageSize: 5}, (failed, page) => {
    if (failed) { console.error(failed); process.exit(1) }
    console.log(JSON.stringify({sid: made.sid.slice(0, 2), listed: page.messages.length,
      own: page.messages.some(each => each.body === text)}));
  });
});
"""
APPRISE: Final = """
import json, os, apprise
notifier = apprise.Apprise()
notifier.add(f"twilio://{os.environ['ACCOUNT']}:{'0' * 32}@15005550006/15005550009")
sent = notifier.notify(body=os.environ["TEXT"])
print(json.dumps({"sid": "SM" if sent else "", "listed": 1, "own": bool(sent)}))
"""
PHP_CURL: Final = """<?php
$base = 'https://api.twilio.com/2010-04-01/Accounts/'.getenv('ACCOUNT').'/Messages.json';
function call($url, $form = null) {
  $h = curl_init($url);
  curl_setopt_array($h, [CURLOPT_RETURNTRANSFER => true, CURLOPT_USERPWD => getenv('ACCOUNT').':placeholder',
    CURLOPT_CAINFO => getenv('ROOT')]);
  if ($form) curl_setopt($h, CURLOPT_POSTFIELDS, http_build_query($form));
  $r = curl_exec($h);
  if ($r === false) { fwrite(STDERR, curl_error($h)); exit(1); }
  return json_decode($r, true);
}
$made = call($base, ['To' => '+15005550009', 'From' => '+15005550006', 'Body' => getenv('TEXT')]);
$page = call($base.'?PageSize=2'); $texts = [];
while (true) { foreach ($page['messages'] as $m) $texts[] = $m['body'];
  if (!$page['next_page_uri'] || count($texts) >= 5) break;
  $page = call('https://api.twilio.com'.$page['next_page_uri']); }
echo json_encode(['sid' => substr($made['sid'], 0, 2), 'listed' => count($texts),
  'own' => in_array(getenv('TEXT'), $texts)]);
"""
RUBY: Final = """
require 'net/http'; require 'json'; require 'uri'
def call(url, form = nil)
  uri = URI(url)
  ask = form ? Net::HTTP::Post.new(uri) : Net::HTTP::Get.new(uri)
  ask.basic_auth(ENV['ACCOUNT'], 'placeholder'); ask.set_form_data(form) if form
  http = Net::HTTP.new(uri.host, uri.port); http.use_ssl = true
  JSON.parse(http.request(ask).body)
end
base = "https://api.twilio.com/2010-04-01/Accounts/#{ENV['ACCOUNT']}/Messages.json"
made = call(base, 'To' => '+15005550009', 'From' => '+15005550006', 'Body' => ENV['TEXT'])
page = call(base + '?PageSize=2'); texts = []
loop do
  texts += page['messages'].map { |each| each['body'] }
  break if !page['next_page_uri'] || texts.size >= 5
  page = call('https://api.twilio.com' + page['next_page_uri'])
end
puts JSON.dump({sid: made['sid'][0, 2], listed: texts.size, own: texts.include?(ENV['TEXT'])})
"""
GO: Final = """package main
import ("encoding/json"; "fmt"; "net/http"; "net/url"; "os"; "strings")
func call(method, address string, form url.Values) map[string]any {
  r, _ := http.NewRequest(method, address, strings.NewReader(form.Encode()))
  r.SetBasicAuth(os.Getenv("ACCOUNT"), "placeholder")
  if form != nil { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }
  answer, err := http.DefaultClient.Do(r)
  if err != nil { fmt.Fprintln(os.Stderr, err); os.Exit(1) }
  defer answer.Body.Close(); found := map[string]any{}
  json.NewDecoder(answer.Body).Decode(&found); return found
}
func main() {
  base := "https://api.twilio.com/2010-04-01/Accounts/" + os.Getenv("ACCOUNT") + "/Messages.json"
  text := os.Getenv("TEXT")
  made := call("POST", base, url.Values{"To": {"+15005550009"}, "From": {"+15005550006"}, "Body": {text}})
  page := call("GET", base + "?PageSize=2", nil); listed, own := 0, false
  for {
    for _, each := range page["messages"].([]any) {
      listed++; own = own || each.(map[string]any)["body"] == text }
    next, more := page["next_page_uri"].(string); if !more || listed >= 5 { break }
    page = call("GET", "https://api.twilio.com" + next, nil)
  }
  out, _ := json.Marshal(map[string]any{"sid": made["sid"].(string)[:2], "listed": listed, "own": own})
  fmt.Println(string(out)) }
"""


@dataclass(frozen=True)
class Animal:
    """A client. `kind` is how it is installed and run: python, node, php, ruby or go.

    `packages` are pinned requirements; `ways` are those by which it can come: proxy, or base (its base URL).
    """

    name: str
    version: str
    kind: str
    program: str
    packages: tuple[str, ...] = ()
    ways: tuple[str, ...] = ("proxy",)
    note: str = ""


def _python(version: str) -> Animal:
    return Animal("twilio-python", version, "python", PYTHON, (f"twilio=={version}",))


def _node(version: str, program: str = NODE) -> Animal:
    return Animal("twilio-node", version, "node", program, (f"twilio@{version}",))


ANIMALS: Final = (
    Animal(
        "twilio-python",
        "6.63.2",
        "python",
        PYTHON_6,
        ("twilio==6.63.2",),
        ("base",),
        note="takes no CA from the environment, so no tunnel",
    ),
    *(_python(version) for version in ("7.17.0", "8.13.0", "9.0.5", "9.13.0")),
    Animal("twilio-python, async", "9.13.0", "python", PYTHON_ASYNC, ("twilio==9.13.0",), ("base",)),
    _node("2.11.1", NODE_2),
    *(_node(version) for version in ("3.84.1", "4.23.0", "6.2.0")),
    Animal("apprise", "1.9.3", "python", APPRISE, ("apprise==1.9.3",)),
    Animal("PHP, curl", "Debian", "php", PHP_CURL, note="stands in for the SDK of PHP"),
    Animal("Ruby, Net::HTTP", "Debian", "ruby", RUBY, note="stands in for the SDK of Ruby"),
    Animal("Go, net/http", "Debian", "go", GO, note="stands in for the SDK of Go"),
)
