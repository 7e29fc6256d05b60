// Asks the gateway's JSON API, read only. A session that has ended leads to the login, everything else to the caller.

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

/** `?a=b` of the parameters that say something, or ''. */
export function searchOf(query) {
  const told = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return told.length ? `?${new URLSearchParams(told)}` : "";
}
