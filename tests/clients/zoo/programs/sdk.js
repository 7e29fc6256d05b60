// The SDK of Node, from 3 on.
const { USERNAME, PASSWORD, ACCOUNT, TEXT, BASE } = process.env;
const client = require("twilio")(USERNAME, PASSWORD, { accountSid: ACCOUNT });
if (BASE) client.api.baseUrl = BASE;
(async () => {
  const made = await client.messages.create({ to: "+15005550009", from: "+15005550006", body: TEXT });
  const listed = await client.messages.list({ limit: 5, pageSize: 2 });
  const own = listed.some((each) => each.body === TEXT);
  console.log(JSON.stringify({ sid: made.sid.slice(0, 2), listed: listed.length, own }));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
