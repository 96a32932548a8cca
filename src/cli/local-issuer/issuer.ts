/**
 * An issuer of tokens for one machine, to try out what needs one: an OpenID Connect provider, and below /cluster what a cluster is to
 * its pods. It gives anybody on this machine any token, so it listens on loopback only and answers no web page.
 */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Clock } from "../../base/clock.ts";
import type { PodIdentityConfig } from "../../config/pod-identity.ts";
import { podAudience } from "../../config/pod-identity.ts";
import { UsageFault } from "../usage.ts";
import { type Claims, clusterClaims, type IssueContext, oidcClaims } from "./query.ts";
import { newSigningKey, type SigningKey } from "./signing-key.ts";

/** Keys that are published after they were rotated away, for tokens that are about. */
const oldKeysMax = 2;
/** Ports that a browser may be tricked into asking: a name that leads to this machine is refused all the same (DNS rebinding). */
const loopbackHost = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/;

/** A running issuer. */
export interface LocalIssuer {
  /** As it stands in its tokens: `http://127.0.0.1:15110`. */
  readonly url: string;
  /** How pods prove who they are by its cluster's half. */
  readonly podIdentity: PodIdentityConfig;
  /** A token of the cluster's half. */
  podToken(claims: Claims, lifeMs: number): string;
  close(): Promise<void>;
}

/** Where it listens. Port 0: any free one. */
export interface IssuerAddress {
  readonly host: string;
  readonly port: number;
}

/** Starts it. Throws UsageFault for an address beyond loopback; rejects where the port is taken. */
export const startLocalIssuer = async (address: IssuerAddress, clock: Clock): Promise<LocalIssuer> => {
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  if (!loopbackHost.test(host))
    throw new UsageFault(
      `--issuer ${host}:${address.port}: must be a loopback address, such as 127.0.0.1:15110: it gives any token to anybody`,
    );
  const keys = new IssuerKeyRing();
  const cluster = newSigningKey();
  let url = "";
  const server = createServer((request, response) => {
    const answer = judged(request) ?? answerOf(request, { url, keys, cluster, nowMs: clock.nowMs() });
    send(response, answer);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: address.host, port: address.port }, resolve);
  });
  const bound = server.address();
  url = `http://${host}:${typeof bound === "object" && bound !== null ? bound.port : address.port}`;
  const issuer = `${url}${clusterPath}`;
  return {
    url,
    podIdentity: { issuer, audience: podAudience, jwks: { keys: [cluster.jwk] } },
    podToken: (claims, lifeMs) => {
      const now = Math.floor(clock.nowMs() / 1000);
      return cluster.sign({ iss: issuer, iat: now, nbf: now, exp: now + lifeMs / 1000, jti: randomUUID(), ...claims });
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

const clusterPath = "/cluster";

/** The key that signs, and those before it. */
class IssuerKeyRing {
  #keys: readonly SigningKey[] = [newSigningKey()];

  get published(): readonly SigningKey["jwk"][] {
    return this.#keys.map(({ jwk }) => jwk);
  }

  sign(claims: Claims): string {
    return this.#keys[0]?.sign(claims) ?? "";
  }

  /** A new key signs. `forget`: the old ones are not published any more, as after a theft. */
  rotate(forget: boolean): string {
    this.#keys = [newSigningKey(), ...(forget ? [] : this.#keys.slice(0, oldKeysMax))];
    return this.#keys[0]?.jwk.kid ?? "";
  }
}

interface Answer {
  readonly status: number;
  /** Text as it is; anything else as JSON. */
  readonly body: unknown;
}

interface Served {
  readonly url: string;
  readonly keys: IssuerKeyRing;
  readonly cluster: SigningKey;
  readonly nowMs: number;
}

/** Refuses what a web page would send: another name for this machine, or an origin. Nothing is answered across origins. */
const judged = ({ headers }: IncomingMessage): Answer | undefined => {
  if (!loopbackHost.test(headers.host ?? ""))
    return { status: 421, body: "The Host header must be a loopback address: ask 127.0.0.1\n" };
  const site = headers["sec-fetch-site"];
  if (headers.origin !== undefined || (site !== undefined && site !== "none" && site !== "same-origin"))
    return { status: 403, body: "Web pages get no tokens here: ask with curl\n" };
  return undefined;
};

const discovery = (issuer: string, keysUrl: string) => ({
  issuer,
  jwks_uri: keysUrl,
  response_types_supported: ["id_token"],
  subject_types_supported: ["public"],
  id_token_signing_alg_values_supported: ["RS256"],
});

type Route = (served: Served, query: URLSearchParams) => unknown;

const contextOf = (issuer: string, { nowMs }: Served): IssueContext => ({ issuer, nowMs, id: randomUUID() });

/** Method and path: RFC 8414, OpenID Connect Discovery 1.0 section 4, and the API server's own documents. */
const routes: Readonly<Record<string, Route>> = {
  "GET /.well-known/openid-configuration": ({ url }) => discovery(url, `${url}/jwks`),
  "GET /jwks": ({ keys }) => ({ keys: keys.published }),
  "GET /token": (served, query) => `${served.keys.sign(oidcClaims(query, contextOf(served.url, served)))}\n`,
  "POST /rotate": ({ keys }, query) => `signed with ${keys.rotate(query.has("forget"))} from now on\n`,
  [`GET ${clusterPath}/.well-known/openid-configuration`]: ({ url }) =>
    discovery(url + clusterPath, `${url}${clusterPath}/openid/v1/jwks`),
  [`GET ${clusterPath}/openid/v1/jwks`]: ({ cluster }) => ({ keys: [cluster.jwk] }),
  [`GET ${clusterPath}/token`]: (served, query) =>
    `${served.cluster.sign(clusterClaims(query, contextOf(served.url + clusterPath, served)))}\n`,
};

const answerOf = (request: IncomingMessage, served: Served): Answer => {
  const [path = "", query = ""] = (request.url ?? "/").split("?");
  const route = routes[`${request.method} ${path}`];
  if (!route) return { status: 404, body: `There is ${Object.keys(routes).join(", ")}\n` };
  try {
    return { status: 200, body: route(served, new URLSearchParams(query)) };
  } catch (fault) {
    if (fault instanceof UsageFault) return { status: 400, body: `${fault.message}\n` };
    throw fault;
  }
};

const send = (response: ServerResponse, { status, body }: Answer): void => {
  const isText = typeof body === "string";
  const bytes = Buffer.from(isText ? body : `${JSON.stringify(body, undefined, 2)}\n`);
  response.writeHead(status, {
    "content-type": isText ? "text/plain; charset=utf-8" : "application/json",
    "content-length": bytes.length,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
  });
  response.end(bytes);
};
