// An exchange as a command to paste into a shell. Keys are placeholders, always: the page never has one.

const ZEROS = "0".repeat(32);
const PREFIXES = { AccountSid: "AC", MessageSid: "SM", CallSid: "CA", ServiceSid: "IS", Sid: "SM" };

/** The path as the gateway takes it, with what is not kept as placeholders of the right shape. */
export function pathOf(exchange) {
  const sid = exchange.resource_sid && !exchange.resource_sid.includes("…") ? exchange.resource_sid : "";
  const names = [...(exchange.route ?? "").matchAll(/\{(\w+)\}/g)].map((found) => found[1]);
  const own = names.filter((name) => name !== "AccountSid").pop();
  const filled = (exchange.route ?? "").replace(/\{(\w+)\}/g, (_, name) => {
    if (sid && name === own) return sid;
    return `${PREFIXES[name] ?? "XX"}${ZEROS}`;
  });
  return `/${exchange.product}${filled}${exchange.product === "api" ? ".json" : ""}`;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** A curl line; `YOUR_KEY` stands for the consumer's key. */
export function curlOf(exchange) {
  const words = ["curl", "-u", quoted(`${exchange.consumer}:YOUR_KEY`)];
  if (exchange.method !== "GET") words.push("-X", exchange.method);
  return [...words, quoted(`http://GATEWAY:8080${pathOf(exchange)}`)].join(" ");
}

/** What the gateway would do with such a request, and why. */
export function explainOf(exchange) {
  return ["gateway", "explain", "--consumer", exchange.consumer, exchange.method, quoted(pathOf(exchange))].join(" ");
}
