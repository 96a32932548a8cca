/** An OpenID Connect issuer in the cluster: discovery and keys, as a pod with a Service. The test signs its tokens. */
import { type Json, newSigner, type Signer, signedToken } from "../../fixtures/pod-tokens.ts";
import { appDeployment } from "./application.ts";
import { apply, type KubeObject, waitFor } from "./kubectl.ts";
import { callService, type ServicePort } from "./service-call.ts";
import { until } from "./until.ts";

const port = 8080;

/** One that runs. */
export interface ClusterOidcIssuer {
  /** Plain http: an issuer of a route with `insecure: true`. */
  readonly url: string;
  /** A token of ten minutes; members of `claims` replace the usual ones. */
  token(claims: Json, signer?: Signer): string;
  /** From now on it publishes these keys and no others. The first signs. */
  publish(...signers: readonly Signer[]): Promise<void>;
  /** Reads of its keys so far. */
  reads(): Promise<number>;
}

const script = `
import { createServer } from "node:http";
let keys = [], reads = 0;
createServer((request, answer) => {
  const say = (value) => answer.setHeader("content-type", "application/json").end(JSON.stringify(value));
  if (request.method === "POST") {
    let text = "";
    request.on("data", (piece) => (text += piece)).on("end", () => { keys = JSON.parse(text); say({}); });
  } else if (request.url === "/.well-known/openid-configuration") {
    say({ issuer: process.env.ISSUER, jwks_uri: process.env.ISSUER + "/keys" });
  } else if (request.url === "/keys") { reads += 1; say({ keys }); }
  else say({ reads });
}).listen(${port});`;

/** Starts one and waits until it answers. */
export const startOidcIssuer = async (namespace: string, name = "issuer"): Promise<ClusterOidcIssuer> => {
  const url = `http://${name}.${namespace}.svc.cluster.local:${port}`;
  const service: ServicePort = { namespace, name, port };
  const object: KubeObject = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ port, targetPort: port }] },
  };
  await apply([appDeployment({ name, namespace, script, env: { ISSUER: url } }), object]);
  await waitFor(`deployment/${name}`, "condition=Available", namespace);
  await until("the issuer's Service answers", () => callService(service, "GET", "/"));
  let current = newSigner("ES256");
  const publish = async (...signers: readonly Signer[]): Promise<void> => {
    current = signers[0] ?? current;
    await callService(service, "POST", "/", JSON.stringify(signers.map(({ jwk }) => jwk)));
  };
  await publish(current);
  return {
    url,
    publish,
    token: (claims, signer = current) => {
      const now = Math.floor(Date.now() / 1000);
      return signedToken(signer, { iss: url, iat: now, nbf: now, exp: now + 600, ...claims });
    },
    reads: async () => (JSON.parse(await callService(service, "GET", "/")) as { reads: number }).reads, // our own script's
  };
};
