// A program with the twilio package from npm: it knows neither a proxy nor the gateway.
import { createRequire } from "node:module";
import https from "node:https";

const require = createRequire(`${process.env.NODE_PROGRAMS}/package.json`);
const client = require("twilio")(process.env.TWILIO_ACCOUNT_SID, process.env.TWILIO_AUTH_TOKEN);

const other = () =>
  new Promise((resolve, reject) => {
    https
      .get(process.env.OTHER_URL, (answer) => {
        let text = "";
        answer.on("data", (chunk) => (text += chunk)).on("end", () => resolve(text));
      })
      .on("error", reject);
  });

try {
  const made = [];
  for (let n = 0; n < 5; n += 1) {
    made.push(await client.messages.create({ to: "+15005550006", from: "+15005550001", body: `node ${n}` }));
  }
  let [pages, listed] = [0, 0];
  for (let page = await client.messages.page({ pageSize: 2 }); page; page = await page.nextPage()) {
    pages += 1;
    listed += page.instances.length;
  }
  const updated = await client.messages(made[0].sid).update({ body: "" });
  const deleted = await client.messages(made[0].sid).remove();
  console.log(JSON.stringify({ pages, listed, updated: updated.body, deleted, other: await other() }));
} catch (error) {
  if (error.status === undefined) throw error;
  console.log(JSON.stringify({ refused: error.status, message: error.message }));
  process.exitCode = 3;
}
