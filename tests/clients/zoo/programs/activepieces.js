// Activepieces' piece: it sends, and lists numbers only.
const { twilioSendSms } = require("@activepieces/piece-twilio/src/lib/action/send-sms.js");
const { ACCOUNT, PASSWORD, TEXT } = process.env;
const authentication = { username: ACCOUNT, password: PASSWORD };
twilioSendSms
  .run({ propsValue: { authentication, to: "+15005550009", from: "+15005550006", body: TEXT } })
  .then(({ body }) => console.log(JSON.stringify({ sid: body.sid.slice(0, 2) })))
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
