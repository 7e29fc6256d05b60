// Logto's connector, over got: it sends a code to a user who signs in.
import createConnector from "@logto/connector-twilio-sms";
const { ACCOUNT, PASSWORD, TEXT } = process.env;
const config = {
  accountSID: ACCOUNT,
  authToken: PASSWORD,
  fromMessagingServiceSID: "MG00000000000000000000000000000000",
  templates: ["SignIn", "Register", "ForgotPassword", "Generic"].map((usageType) => ({
    usageType,
    content: `${TEXT}{{code}}`,
  })),
};
const connector = await createConnector({ getConfig: async () => config });
const answer = await connector.sendMessage({ to: "15005550009", type: "SignIn", payload: { code: "" } });
console.log(JSON.stringify({ sid: JSON.parse(answer.body).sid.slice(0, 2) }));
