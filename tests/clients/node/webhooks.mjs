// Signs and validates webhooks by the npm SDK: reads {sign: [...], validate: [...]} from standard input, and prints
// the signatures and the verdicts.
import twilio from "twilio";

const { getExpectedTwilioSignature, validateRequest, validateRequestWithBody } = twilio;
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { sign, validate } = JSON.parse(Buffer.concat(chunks).toString());

console.log(JSON.stringify({
  signed: sign.map(({ token, url, form }) => getExpectedTwilioSignature(token, url, form)),
  valid: validate.map(({ token, url, form, body, signature }) =>
    body === undefined
      ? validateRequest(token, signature, url, form)
      : validateRequestWithBody(token, signature, url, body)),
}));
