/** Callers that must prove who they are, and a listener with TLS: keys, tokens and a private key, right and wrong ones. */
import { createHash, randomBytes } from "node:crypto";
import type { CallerConfig } from "../../../src/config/caller.ts";
import type { TestCertificate } from "../../fixtures/certificate.ts";
import { overTls } from "../../fixtures/listener.ts";
import { startOidcIssuer } from "../../fixtures/oidc-issuer.ts";
import type { Disturbed } from "./disturbances.ts";

const chat = "/v1/chat/completions";

/** Puts a route with these callers, and TLS on loopback, in force. */
const putCallers = async (disturbed: Disturbed, caller: CallerConfig, tls: TestCertificate): Promise<void> => {
  const config = disturbed.stage.config();
  if (config.route === undefined) throw new Error("the stage has a route");
  const listener = {
    ...{ address: "Loopback" as const, sources: [], userAgents: [], hstsSeconds: 60 },
    tls: { certificate: tls.cert, key: tls.key, minVersion: "TLSv1.2" as const },
  };
  const route = { ...config.route, caller, listener };
  await disturbed.logged("config in force", () => disturbed.stage.putConfig({ ...config, route }));
};

/** Calls with this in Authorization, over http and over TLS; statuses stand under `where`. */
const callAs = async (
  { disturbed, certificate }: { disturbed: Disturbed; certificate: TestCertificate },
  where: string,
  credential: string,
): Promise<void> => {
  const { caller, sidecar } = disturbed;
  const content = `${where} ${disturbed.text("failing message")}`;
  const body = { model: "gpt-4o", messages: [{ role: "user", content }] };
  const headers = { authorization: `Bearer ${credential}`, "api-key": credential, "content-type": "application/json" };
  await caller.json(where, chat, body, ["failing message"], { headers });
  const answer = await overTls(`${sidecar.url.replace("http:", "https:")}${chat}`, certificate.cert, {
    ...{ method: "POST", body: JSON.stringify(body), headers },
  });
  const heard = {
    where: `${where}, TLS`,
    text: JSON.stringify([answer.headers, answer.text]),
    allowed: new Set(["failing message"]),
  };
  caller.heard.push(heard);
  caller.statuses[heard.where] = answer.status;
};

/** API keys, tokens and certificates. */
export async function asCallers(disturbed: Disturbed, certificate: TestCertificate): Promise<void> {
  const as = { disturbed, certificate };
  const salt = randomBytes(16);
  const key = `sgk-tester-${disturbed.text("API key")}`;
  const hash = createHash("sha256").update(salt).update(key).digest("base64url");
  const entry = { id: "tester", salt: salt.toString("base64url"), hash, user: "tester", roles: [], groups: [] };
  await putCallers(disturbed, { require: "APIKey", keys: [entry] }, certificate);
  await callAs(as, "API key", key);
  await callAs(as, "wrong API key", `sgk-tester-${disturbed.text("refused API key")}`);
  await callAs(as, "no API key", disturbed.text("refused API key"));
  await disturbed.gather("with API keys");

  const issuer = await startOidcIssuer();
  try {
    const audiences = ["sidegate-acme"];
    const claims = { user: ["sub"], roles: ["realm_access", "roles"] };
    const shared = { audiences, claims, clockToleranceMs: 0, algorithms: ["RS256" as const], prefix: "" };
    await putCallers(
      disturbed,
      { require: "Bearer", issuers: [{ type: "OIDC", issuer: issuer.url, ...shared }] },
      certificate,
    );
    await callAs(as, "token", issuer.token({ jti: disturbed.text("bearer token") }));
    const jti = disturbed.text("refused bearer token");
    await callAs(as, "expired token", issuer.token({ jti, exp: 1 }));
    await callAs(as, "token of another audience", issuer.token({ jti, aud: jti }));
    await callAs(as, "token of another key", issuer.token({ jti }, { kid: jti }));
    await callAs(as, "token with a strange algorithm", issuer.token({ jti }, { alg: jti, typ: jti, crit: [jti] }));
    await callAs(as, "token of a system user", issuer.token({ jti, sub: `system:${jti}` }));
    await callAs(as, "no token", jti);
    issuer.behave = (_path, response) => Boolean(response.writeHead(200).end(`{"issuer": ${jti}`));
    const other = { type: "OIDC" as const, issuer: `${issuer.url}/other`, ...shared };
    await putCallers(disturbed, { require: "Bearer", issuers: [other] }, certificate);
    await callAs(as, "token of an issuer that fails", issuer.token({ jti, iss: other.issuer }));
    await disturbed.gather("with tokens");
  } finally {
    await issuer.close();
  }
  await brokenCertificates(disturbed, certificate);
  await disturbed.logged("config in force", () => disturbed.stage.putConfig(disturbed.stage.config()));
}

/** Keys that do not fit, and texts that are none: what the sidecar says of them holds nothing of them. */
async function brokenCertificates(disturbed: Disturbed, certificate: TestCertificate): Promise<void> {
  const caller: CallerConfig = { require: "APIKey", keys: [] };
  const swapped = { cert: certificate.key, key: certificate.key };
  const cut = { cert: certificate.cert, key: certificate.key.replace("-----END", disturbed.text("misplaced key")) };
  for (const [at, broken] of [swapped, cut].entries()) {
    await putCallers(disturbed, caller, broken);
    await disturbed.gather(`with a broken certificate ${at}`);
  }
}
