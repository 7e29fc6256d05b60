// The tours of tests/clients/tour.py as the twilio package from npm takes them; each gives the result told there.
import RestException from "twilio/lib/base/RestException.js";

const SENDER = "+15553334444";
const RECIPIENT = "+15551112222";
const TEXTS = ["one & 1", "two + 2", "drei ü €", "four%204", "five = 5"];
const PICTURES = ["https://example.com/a.jpg?x=1&y=2", "https://example.com/b.jpg"];
const VERIFY_SERVICE = "VA" + "1".repeat(32);

/** How something fails that must fail: what the SDK's own exception says. */
async function failureOf(promise) {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof RestException.default)) throw error;
    return { status: error.status, code: error.code, message: error.message };
  }
  throw new Error("no RestException");
}

/** One after the other: the order is what the test compares. */
async function inTurn(values, act) {
  const results = [];
  for (const value of values) results.push(await act(value));
  return results;
}

export async function messages(client) {
  const made = await inTurn(TEXTS, (body) =>
    client.messages.create({
      to: RECIPIENT,
      from: SENDER,
      body,
      ...(body === TEXTS[0] ? { mediaUrl: PICTURES } : {}),
    }),
  );
  const one = client.messages(made[0].sid);
  const fetched = await one.fetch();
  return {
    distinct: new Set(made.map((message) => message.sid)).size,
    fetched: fetched.body,
    media: fetched.numMedia,
    listed: (await client.messages.list({ pageSize: 2 })).map((message) => message.body),
    updated: (await one.update({ body: "" })).body,
    deleted: await one.remove(),
    then: await failureOf(one.fetch()),
  };
}

export async function filtered(client) {
  for (const to of [RECIPIENT, SENDER, RECIPIENT]) {
    await client.messages.create({ to, from: SENDER, body: `to ${to}` });
  }
  const filters = { to: RECIPIENT, dateSentAfter: new Date("2020-01-01T00:00:00Z"), pageSize: 1 };
  return { listed: (await client.messages.list(filters)).map((message) => message.body) };
}

export async function calls(client) {
  const made = await inTurn([1, 2], () =>
    client.calls.create({ to: RECIPIENT, from: SENDER, url: "https://example.com/twiml" }),
  );
  const one = client.calls(made[0].sid);
  return {
    status: (await one.fetch()).status,
    updated: (await one.update({ status: "completed" })).status,
    listed: (await client.calls.list({ pageSize: 1 })).map((call) => call.status),
    deleted: await one.remove(),
  };
}

export async function numbers(client) {
  const bought = await inTurn([1, 2, 3], (digit) =>
    client.incomingPhoneNumbers.create({ phoneNumber: `+1555000000${digit}` }),
  );
  const one = client.incomingPhoneNumbers(bought[0].sid);
  return {
    fetched: (await one.fetch()).phoneNumber,
    updated: (await one.update({ friendlyName: "front desk" })).friendlyName,
    listed: (await client.incomingPhoneNumbers.list({ pageSize: 1 })).map((number) => number.friendlyName),
    deleted: await one.remove(),
  };
}

export async function services(client) {
  const resource = client.messaging.v1.services;
  const made = await inTurn([1, 2, 3, 4, 5], (digit) => resource.create({ friendlyName: `service ${digit}` }));
  const one = resource(made[0].sid);
  return {
    fetched: (await one.fetch()).friendlyName,
    updated: (await one.update({ friendlyName: "first" })).friendlyName,
    listed: (await resource.list({ pageSize: 2 })).map((service) => service.friendlyName),
    deleted: await one.remove(),
    then: await failureOf(one.fetch()),
  };
}

export async function contents(client) {
  const resource = client.content.v1.contents;
  const types = { "twilio/text": { body: "Hi {{1}} ü" } };
  const made = await inTurn(["one", "two"], (friendly_name) =>
    resource.create({ friendly_name, language: "en", types }),
  );
  const one = resource(made[0].sid);
  return {
    fetched: (await one.fetch()).types,
    listed: (await resource.list({ pageSize: 1 })).map((content) => content.friendlyName),
    deleted: await one.remove(),
  };
}

export async function verifications(client) {
  const resource = client.verify.v2.services(VERIFY_SERVICE).verifications;
  const started = await resource.create({ to: RECIPIENT, channel: "sms" });
  return { status: started.status, to: started.to };
}

/** Users by identity: a path with whatever people call themselves. */
export const identities = (client, named) =>
  inTurn(named, async (identity) => (await failureOf(client.conversations.v1.users(identity).fetch())).code);

// What fails, for the tests of errors.

const send = (client) => client.messages.create({ to: RECIPIENT, from: SENDER, body: "hello" });

export const refusedSend = (client) => failureOf(send(client));

export const refusedList = (client) => failureOf(client.messaging.v1.services.list({ pageSize: 2 }));

export const missingMessage = (client) => failureOf(client.messages("SM" + "0".repeat(32)).fetch());

export const emptyMessage = (client) => failureOf(client.messages.create({ to: RECIPIENT, from: SENDER }));

export const accountItself = (client) => failureOf(client.api.v2010.accounts(client.accountSid).fetch());

export function unknownAddress(client) {
  client.api.baseUrl += "/nothing";
  return failureOf(send(client));
}
