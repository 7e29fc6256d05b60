#!/bin/sh
# twilio 6.3.1 (npm): two lists at the same time, of two accounts, with one constant `{ pageSize: 3 }` for the options of both.
#
# Guess: options are read, not written, as `create` and Python's SDK do it; a constant can be shared, and may be frozen.
#
# Seen: `list` writes its callbacks into the caller's object. The second call replaces those of the first, so the first promise is never
# settled. When the first list has been read to its end, it completes the *second* promise, with the records that this has by then: the
# rest is missing without an error. `limit` leaves a `pageSize` behind, which the next list with the object obeys,
# and a frozen object is a TypeError.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts twilio@6.3.1
cat > run.js <<'JS'
const http = require("http");
const twilio = require("twilio");
const PAGES = 3;
const lastPages = new Map(); // by account: the first one's goes out when the second one's is asked for, which waits
const asked = [];
let holding = true;

const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  const account = url.pathname.split("/")[3];
  const page = Number(url.searchParams.get("Page") ?? 0);
  asked.push(Number(url.searchParams.get("PageSize")));
  const next = `/2010-04-01/Accounts/${account}/Messages.json?PageSize=3&Page=${page + 1}`;
  const messages = [1, 2, 3].map((number) => ({ sid: `account ${account.slice(-1)}, ${page * 3 + number}` }));
  const send = () => {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ messages, uri: request.url, next_page_uri: page + 1 < PAGES ? next : null }));
  };
  if (!holding || page + 1 < PAGES) return send();
  lastPages.set(account.slice(-1), send);
  if (lastPages.size === 2) lastPages.get("1")();
});

function connect(number) {
  const client = twilio("AC" + "0".repeat(31) + number, "token");
  client.api.baseUrl = `http://127.0.0.1:${server.address().port}`;
  return client;
}

server.listen(0, "127.0.0.1", async () => {
  const [one, two] = [connect(1), connect(2)];
  const options = { pageSize: 3 };
  let first = "never settled";
  one.messages.list(options).then((found) => (first = found.length));
  const second = await two.messages.list(options);
  console.log(`second list: ${second.length} of 9 records, before its last page was answered`);
  lastPages.get("2")();
  holding = false;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  console.log(`first list: ${first}`);
  console.log(`options: ${Object.keys(options)}`);

  const limited = { limit: 2 };
  await one.messages.list(limited);
  limited.limit = 9;
  asked.length = 0;
  await one.messages.list(limited);
  console.log(`limit 2, then 9: the second asks for ${asked[0]} a page`);

  const frozen = Object.freeze({ pageSize: 3 });
  console.log(`frozen: ${await (async () => one.messages.list(frozen))().catch((error) => error.message)}`);
  server.close();
  server.closeAllConnections();
});
JS
node run.js | tee seen
cat > want <<'END'
second list: 6 of 9 records, before its last page was answered
first list: never settled
options: pageSize,callback,done,limit
limit 2, then 9: the second asks for 2 a page
frozen: Cannot add property callback, object is not extensible
END
diff want seen
