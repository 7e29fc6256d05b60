// The SDK of Node, 2: callbacks, and no base URL.
const { ACCOUNT, PASSWORD, TEXT } = process.env;
const client = require("twilio")(ACCOUNT, PASSWORD);
const failed = (error) => {
  console.error(error);
  process.exit(1);
};
client.messages.create({ to: "+15005550009", from: "+15005550006", body: TEXT }, (error, made) => {
  if (error) return failed(error);
  client.messages.list({ PageSize: 5 }, (refused, page) => {
    if (refused) return failed(refused);
    const own = page.messages.some((each) => each.body === TEXT);
    console.log(JSON.stringify({ sid: made.sid.slice(0, 2), listed: page.messages.length, own }));
  });
});
