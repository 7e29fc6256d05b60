// Node-RED's node, without an editor around it: it sends, and says nothing when it worked.
const { ACCOUNT, PASSWORD, TEXT } = process.env;
const types = {};
let send;
require("node-red-node-twilio/56-twilio.js")({
  settings: { twilio: { account: ACCOUNT, authtoken: PASSWORD, from: "+15005550006" } },
  httpAdmin: { get() {} },
  auth: { needsPermission() {} },
  nodes: {
    createNode(node) {
      node.on = (_, handler) => (send = handler);
      node.error = (message) => {
        console.error(message);
        process.exitCode = 1;
      };
    },
    registerType: (name, type) => (types[name] = type),
    getNode: () => null,
  },
});
const node = new types["twilio out"]({ number: "+15005550009", twilioType: "sms" });
send.call(node, { payload: TEXT });
process.on("exit", (code) => code || console.log(JSON.stringify({ sid: "SM" })));
