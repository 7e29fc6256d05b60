// The documented ways to point the twilio package from npm at the gateway.
import twilio from "twilio";

const PRODUCTS = ["api", "messaging", "content", "verify", "conversations"];
const TWILIO = ".twilio.com";

/** Sends what is meant for https://{product}.twilio.com/… to {gateway}/{product}/…; other links stay. */
class PrefixingClient extends twilio.RequestClient {
  constructor(gateway) {
    super();
    this.gateway = gateway;
  }

  request(options) {
    const { host, pathname, search } = new URL(options.uri);
    if (!host.endsWith(TWILIO)) return super.request(options);
    const product = host.slice(0, -TWILIO.length);
    return super.request({ ...options, uri: `${this.gateway}/${product}${pathname}${search}` });
  }
}

/** Connects to the gateway, but says Host: {product}.twilio.com, as with an override in DNS. */
class HostKeepingClient extends twilio.RequestClient {
  constructor(gateway) {
    super();
    this.gateway = gateway;
  }

  request(options) {
    const { host, pathname, search } = new URL(options.uri);
    const headers = { ...options.headers, Host: host };
    return super.request({ ...options, headers, uri: this.gateway + pathname + search });
  }
}

const WAYS = {
  prefix(gateway, make) {
    const client = make();
    for (const product of PRODUCTS) client[product].baseUrl = `${gateway}/${product}`;
    return client;
  },
  "bare-path"(gateway, make) {
    const client = make();
    client.api.baseUrl = gateway;
    return client;
  },
  rewriting: (gateway, make) => make({ httpClient: new PrefixingClient(gateway) }),
  host: (gateway, make) => make({ httpClient: new HostKeepingClient(gateway) }),
};

/** A client that calls the gateway in one of the ways; accountSid null leaves it to the username. */
export function point({ way, gateway, username, password, accountSid }) {
  const settings = accountSid === null ? {} : { accountSid };
  return WAYS[way](gateway, (more = {}) => twilio(username, password, { ...settings, ...more }));
}
