// Twilio's MCP server, driven as an assistant would: over standard input and output.
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");
const { ACCOUNT, PASSWORD, TEXT } = process.env;
(async () => {
  const transport = new StdioClientTransport({
    command: "node_modules/.bin/twilio-mcp-server",
    args: [`${ACCOUNT}/SK${"0".repeat(32)}:${PASSWORD}`, "--services", "twilio_api_v2010", "--tags", "Api20100401Message"],
    env: process.env,
  });
  const client = new Client({ name: "zoo", version: "1" });
  await client.connect(transport);
  const { tools } = await client.listTools();
  const named = (part) => tools.find((each) => each.name.endsWith(part)).name;
  const call = async (part, given) => {
    const answer = await client.callTool({ name: named(part), arguments: given });
    return JSON.parse(answer.content.map((each) => each.text).find((text) => text.trim().startsWith("{")));
  };
  const sent = { AccountSid: ACCOUNT, To: "+15005550009", From: "+15005550006", Body: TEXT };
  const made = await call("CreateMessage", sent);
  const page = await call("ListMessage", { AccountSid: ACCOUNT, PageSize: 5 });
  const own = page.messages.some((each) => each.body === TEXT);
  console.log(JSON.stringify({ sid: made.sid.slice(0, 2), listed: page.messages.length, own }));
  await client.close();
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
