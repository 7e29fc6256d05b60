#!/bin/sh
# axios-retry 4.5.0, got 14.6.6, @azure/core-rest-pipeline 1.24.0, undici 7.30.2 (RetryAgent, its `maxTimeout` raised), ky 1.14.3 (npm): a 429
# whose Retry-After is 24 days, and one of 25 days, such as a quota by month gives on its first days.
#
# Guess: a client either waits, or gives up because that is too long for it. The longer the time, the less it sends.
#
# Seen: for 24 days all five wait. For 25 days four of them send all their attempts at once: Node's timers hold 2^31 - 1
# milliseconds (24.8 days), and a longer one fires after a millisecond. Node warns of each on standard error (TimeoutOverflowWarning), the
# clients do not look. ky divides the time and waits. A server that wants to be left alone for a month says 24 days at most.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
npm install --silent --no-audit --no-fund axios@1.21.1 axios-retry@4.5.0 got@14.6.6 @azure/core-rest-pipeline@1.24.0 undici@7.30.2 \
  ky@1.14.3 >/dev/null
cat > run.mjs <<'JS'
import http from 'node:http';
import * as azure from '@azure/core-rest-pipeline';
import axios from 'axios';
import axiosRetry from 'axios-retry';
import got from 'got';
import ky from 'ky';
import { Agent, RetryAgent, request } from 'undici';

const DAY = 86400;
const clients = {
  'axios-retry': (url) => { const client = axios.create(); axiosRetry(client); return client.get(url); },
  got: (url) => got(url),
  'azure': (url) => azure.createPipelineFromOptions({}).sendRequest(
    azure.createDefaultHttpClient(), azure.createPipelineRequest({ url, allowInsecureConnection: true })),
  undici: (url) => request(url, { dispatcher: new RetryAgent(new Agent(), { maxTimeout: 60 * DAY * 1000 }) }),
  ky: (url) => ky(url),
};

async function requests(client, days) {
  let count = 0;
  const server = http.createServer((_, answer) => {
    count += 1;
    answer.writeHead(429, { 'Retry-After': String(days * DAY) });
    answer.end();
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const ended = client(`http://127.0.0.1:${server.address().port}/`).then(() => 'ended', () => 'ended');
  const state = await Promise.race([ended, new Promise((done) => setTimeout(done, 4000, 'waits'))]);
  return `${count > 1 ? 'several requests' : 'one request'}, ${state}`;
}

await Promise.all(Object.entries(clients).map(async ([name, client]) => {
  const [waits, overflows] = await Promise.all([requests(client, 24), requests(client, 25)]);
  console.log(`${name}: 24 days: ${waits}; 25 days: ${overflows}`);
}));
process.exit();
JS
node --no-warnings run.mjs | sort | tee seen
cat > want <<'END'
axios-retry: 24 days: one request, waits; 25 days: several requests, ended
azure: 24 days: one request, waits; 25 days: several requests, ended
got: 24 days: one request, waits; 25 days: several requests, ended
ky: 24 days: one request, waits; 25 days: one request, waits
undici: 24 days: one request, waits; 25 days: several requests, ended
END
diff want seen
