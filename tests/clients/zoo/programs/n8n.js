// n8n's node in n8n's own engine, as `n8n execute` runs a workflow: a trigger by hand, then the node. It sends.
process.env.N8N_USER_FOLDER = __dirname;
process.env.N8N_ENCRYPTION_KEY = "of no use";
const { Workflow } = require("n8n-workflow");
const { ExecutionLifecycleHooks, WorkflowExecute } = require("n8n-core");
const { TwilioApi } = require("n8n-nodes-base/dist/credentials/TwilioApi.credentials.js");
const { ManualTrigger } = require("n8n-nodes-base/dist/nodes/ManualTrigger/ManualTrigger.node.js");
const { Twilio } = require("n8n-nodes-base/dist/nodes/Twilio/Twilio.node.js");

const { ACCOUNT, PASSWORD, TEXT } = process.env;
const numbers = { from: "+15005550006", to: "+15005550009" };
const parts = { position: [0, 0], typeVersion: 1 };
const nodes = [
  { ...parts, id: "1", name: "Start", type: "start", parameters: {} },
  {
    ...parts,
    id: "2",
    name: "Twilio",
    type: "twilio",
    parameters: { resource: "sms", operation: "send", ...numbers, message: TEXT, options: {} },
    credentials: { twilioApi: { id: "1", name: "Twilio" } },
  },
];
const connections = { Start: { main: [[{ node: "Twilio", type: "main", index: 0 }]] } };
const types = { start: new ManualTrigger(), twilio: new Twilio() };
const nodeTypes = { getByName: (name) => types[name], getByNameAndVersion: (name) => types[name] };
const described = { id: "1", name: "sends", nodes, connections, active: false, nodeTypes, settings: {} };

// What n8n's command line keeps in its database: the credentials, and where the editor is.
const saved = { authType: "authToken", accountSid: ACCOUNT, authToken: PASSWORD };
const credentialsHelper = {
  getParentTypes: () => [],
  getCredentialsProperties: () => new TwilioApi().properties,
  getDecrypted: async () => saved,
  isCredentialUsableByNode: () => true,
  preAuthentication: async () => undefined,
  authenticate: async (_, __, options) => ({ ...options, auth: { username: ACCOUNT, password: PASSWORD } }),
};
const additional = {
  credentialsHelper,
  executionId: "1",
  hooks: new ExecutionLifecycleHooks("manual", "1", described),
  setExecutionStatus() {},
  variables: {},
  formWaitingBaseUrl: "http://localhost/",
  webhookWaitingBaseUrl: "http://localhost/",
};

async function main() {
  const workflow = new Workflow(described);
  const engine = new WorkflowExecute(additional, "manual");
  const { resultData } = (await engine.run({ workflow, startNode: workflow.getNode("Start") })).data;
  if (resultData.error) throw resultData.error;
  const { sid } = resultData.runData.Twilio[0].data.main[0][0].json;
  console.log(JSON.stringify({ sid: sid.slice(0, 2) }));
}

main().then(
  () => process.exit(0), // the engine's timers would keep it for good
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
