// Asks the gateway's JSON API. A session that has ended leads to the login, everything else to the caller.

/** The JSON at `path`. Raises `Error` if it cannot be had. */
export async function ask(path, query = {}) {
  const answer = await fetch(path + searchOf(query), { cache: "no-store", credentials: "same-origin" });
  if (answer.status === 401) {
    location.reload(); // the server leads to its login
    throw new Error("the session has ended");
  }
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

/** Send JSON to `path`: its status, and the JSON that it answered with. Raises `Error` if there was no answer. */
export async function send(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: answer.status, answer: await answer.json() };
}

/** `?a=b` of the parameters that say something, or ''. */
export function searchOf(query) {
  const told = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return told.length ? `?${new URLSearchParams(told)}` : "";
}
