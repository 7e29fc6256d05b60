// What was typed into the one search field: which filter it is meant for.

const SID = /^[A-Z]{2}[0-9a-f]{32}$/;
const STATUS = /^[1-5]([0-9][0-9]|[xX][xX])$/;
const CODE = /^[0-9]{4,6}$/;
const SLUG = /^[a-z]+(_[a-z0-9]+)+$/;
const KEY = /^(sha256:)?[0-9a-f]{8}$/;
const SDK = /^(twilio|libcurl|curl)[a-z-]*\/[0-9][\w.-]*$/;

/** [filter, value] of a text; what looks like nothing else is a request id. */
export function meaningOf(text, consumers) {
  if (consumers.has(text)) return ["consumer", text];
  if (SID.test(text)) return ["sid", text];
  if (STATUS.test(text)) return ["status", text];
  if (CODE.test(text)) return ["code", text];
  if (KEY.test(text)) return ["key", text.replace("sha256:", "")];
  if (SLUG.test(text)) return ["slug", text];
  if (SDK.test(text)) return ["sdk", text];
  if (text.startsWith("/")) return ["route", text];
  return ["request_id", text];
}
