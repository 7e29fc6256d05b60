// Novu's provider: it sends and lists nothing.
const { TwilioSmsProvider } = require("@novu/twilio");
const { ACCOUNT, PASSWORD, TEXT } = process.env;
new TwilioSmsProvider({ accountSid: ACCOUNT, authToken: PASSWORD, from: "+15005550006" })
  .sendMessage({ to: "+15005550009", content: TEXT })
  .then((made) => console.log(JSON.stringify({ sid: made.id.slice(0, 2) })))
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
