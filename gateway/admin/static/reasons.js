// Why an exchange was refused or delayed: the rule or limit of the configuration, what our error means, and the page that
// says what to do. The meanings are asked for once.

import { ask } from "./api.js";
import { element } from "./dom.js";
import { duration } from "./format.js";

const WORTH_TELLING_SECONDS = 0.02;
let meanings = null;

function meaningsOfErrors() {
  meanings ??= ask("/api/errors").then((found) => found.errors).catch((error) => {
    meanings = null;
    console.info("The meanings of errors:", error.message);
    return {};
  });
  return meanings;
}

/** A paragraph, or null where nothing was refused or waited for. */
export function reasonOf(exchange) {
  const waited = (exchange.steps ?? []).filter((step) => step.kind === "limit" || step.kind === "queue");
  const seconds = waited.reduce((sum, step) => sum + step.seconds, 0);
  const refused = exchange.slug || exchange.reported;
  if (!refused && !exchange.limit && seconds < WORTH_TELLING_SECONDS) return null;
  const words = element("p", { class: "reason" });
  if (refused) {
    words.append(element("b", { text: exchange.slug ? `Refused: ${refused}. ` : `Would be refused (report mode): ${refused}. ` }));
    meaningsOfErrors().then((errors) => tell(words, errors[refused]));
  }
  if (seconds) words.append(element("b", { text: `Delayed by ${duration(seconds)}. ` }));
  if (exchange.limit) words.append(`Limit: ${exchange.limit}. `);
  if (refused && exchange.rule) words.append(`Rule: ${exchange.rule}. `);
  return words;
}

function tell(words, found) {
  if (!found) return;
  words.append(`${found.meaning.charAt(0).toUpperCase()}${found.meaning.slice(1)}. `);
  if (/^https?:\/\//.test(found.more_info)) {
    words.append(element("a", { text: "What to do", attributes: { href: found.more_info, rel: "noopener noreferrer", target: "_blank" } }));
  } else {
    words.append(element("span", { class: "id", text: found.more_info }));
  }
}
