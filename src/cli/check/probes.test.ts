import { createServer as createHttpServer, type RequestListener, type Server } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, LookupFunction } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { selfSigned } from "../../../test/fixtures/certificate.ts";
import { directReadyPage, readyLines } from "./readyz.ts";
import { triedDirectly } from "./webhook-trial.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});
const listening = async (server: Server): Promise<number> => {
  servers.push(server);
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return (server.address() as AddressInfo).port; // a TCP server's address
};

describe("the readiness page", () => {
  test("is read line by line, and what is no line of it is passed over", () => {
    expect(readyLines("[+]informers ok\n[-]redis failed: connection refused\nnot ready\n[?]x\n")).toEqual([
      { name: "informers", fault: undefined },
      { name: "redis", fault: "connection refused" },
    ]);
  });

  test("of a pod that is not ready has its reasons, from inside the cluster", async () => {
    const port = await listening(
      createHttpServer((_, response) => response.writeHead(503).end("[-]informers failed: not whole yet\nnot ready\n")),
    );
    const page = await directReadyPage(port)({ namespace: "a", name: "b", ip: "127.0.0.1" });
    expect(readyLines(page)).toEqual([{ name: "informers", fault: "not whole yet" }]);
  });

  test.each([
    { name: "a pod without an address", ip: "", says: "has no address" },
    { name: "a pod that does not answer", ip: "127.0.0.1", says: "does not answer" },
  ])("of $name is a fault", async ({ ip, says }) => {
    const port = await listening(createHttpServer((request) => request.socket.destroy()));
    const [line] = readyLines(await directReadyPage(port)({ namespace: "a", name: "b", ip }));
    expect(line).toMatchObject({ name: "ready", fault: expect.stringContaining(says) });
  });
});

describe("a webhook that is asked at its Service", () => {
  const host = "sidegate-webhook.sidegate-system.svc";
  const certificate = selfSigned({ host });
  const lookup: LookupFunction = (_, options, done) =>
    options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4);
  const answering =
    (text: string): RequestListener =>
    async (request, response) => {
      for await (const _ of request);
      response.end(text);
    };
  const tried = async (answer: string, ca = certificate.cert) => {
    const port = await listening(createServer({ cert: certificate.cert, key: certificate.key }, answering(answer)));
    const service = { name: "sidegate-webhook", namespace: "sidegate-system", path: "/mutate", port };
    const clientConfig = { service, caBundle: Buffer.from(ca).toString("base64") };
    return triedDirectly({ metadata: { name: "sidegate" }, webhooks: [{ clientConfig }] }, "default", lookup);
  };
  const review = (response: object) => JSON.stringify({ response });

  test("and adds the sidecar is well", async () => {
    expect(await tried(review({ allowed: true, patchType: "JSONPatch", patch: "W10=" }))).toBeUndefined();
  });

  test.each([
    { name: "adds nothing", answer: review({ allowed: true }), says: "added no sidecar" },
    {
      name: "refuses",
      answer: review({ allowed: false, status: { message: "no" } }),
      says: "refused the trial pod: no",
    },
    { name: "answers something else", answer: "<html>", says: "no AdmissionReview" },
  ])("and $name is at fault", async ({ answer, says }) => {
    expect(await tried(answer)).toContain(says);
  });

  test("is not trusted with a certificate of another authority", async () => {
    expect(await tried(review({ allowed: true }), selfSigned({ host }).cert)).toContain(host);
  });
});
