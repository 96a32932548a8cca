// The audit record cannot be written: fault 32. What is not on record is not sent, unless the route says otherwise.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { AuditUnavailable } from "../../src/sidecar/ports/audit-sink.ts";
import { chargedTokens, expectNothingHeld, shortTimeouts, wideQuotas } from "../fixtures/bad-input.ts";
import { ask, bothWays, expectFault } from "../fixtures/fault-calls.ts";
import { openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

let gateway: TestGateway;
const start = async (audit: string, routeAudit = false): Promise<void> => {
  gateway = await startTestGateway({
    routeAudit,
    yaml: (url) =>
      openRoute(url, { rule: shortTimeouts, quotas: wideQuotas }).replace("audit: {sink: None}", `audit: ${audit}`),
  });
};
afterEach(async () => {
  await expectNothingHeld(gateway);
  await gateway.close();
});
const fault = new AuditUnavailable("ENOSPC: no space left on device");

describe.each(bothWays)("fault 32, $how:", ({ streamed }) => {
  test("onFailure Deny: a 503 to come back from, nothing reaches the provider, nothing is charged", async () => {
    await start("{sink: Stdout, onFailure: Deny}");
    gateway.audit.fault = fault;
    const answer = await ask(gateway, { streamed });
    expectFault(answer, { status: 503, code: "audit_unavailable", retry: true });
    expect(answer.headers["retry-after"]).toBe("1");
    expect(answer.text).not.toContain("ENOSPC");
    expect(gateway.provider.requests).toHaveLength(0);
    await expectNothingHeld(gateway);
    expect(await chargedTokens(gateway)).toBe(0);
  });

  test("it serves again as soon as records can be written, without a restart", async () => {
    await start("{sink: Stdout, onFailure: Deny}");
    gateway.audit.fault = fault;
    expect((await ask(gateway, { streamed })).status).toBe(503);
    gateway.audit.fault = undefined;
    expect((await ask(gateway, { streamed })).status).toBe(200);
  });

  test("onFailure Allow: the call is served, and the failure is counted", async () => {
    await start("{sink: Stdout, onFailure: Allow}");
    gateway.audit.fault = fault;
    expect((await ask(gateway, { streamed })).status).toBe(200);
    expect(await gateway.sidecar.metrics.registry.metrics()).toMatch(/sidegate_audit_failures_total [1-9]/);
  });

  test("a record that fails after the call does not change the answer", async () => {
    await start("{sink: Stdout, onFailure: Deny}");
    const asking = ask(gateway, { streamed, fake: "delay=100" });
    while (gateway.provider.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    gateway.audit.fault = fault;
    expect((await asking).status).toBe(200);
  });

  test("a file that cannot be written refuses, and serves once it can", async () => {
    const folder = mkdtempSync(join(tmpdir(), "audit-"));
    const path = join(folder, "audit.jsonl");
    mkdirSync(path); // a folder in the file's place: neither root nor anybody else can write lines to it
    await start(`{sink: File, file: {path: "${path}"}, onFailure: Deny}`, true);
    expectFault(await ask(gateway, { streamed }), { status: 503, code: "audit_unavailable", retry: true });
    expect(gateway.provider.requests).toHaveLength(0);
    chmodSync(path, 0o700);
    rmSync(path, { recursive: true });
    expect((await ask(gateway, { streamed })).status).toBe(200);
    await expectNothingHeld(gateway);
    const kinds = readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).record);
    expect(kinds.filter((kind) => kind === "intent")).toHaveLength(1);
    rmSync(folder, { recursive: true });
  });
});

test("fault 32: /dev/full, which has never any space, refuses every call", async () => {
  await start('{sink: File, file: {path: "/dev/full"}, onFailure: Deny}', true);
  for (const { streamed } of bothWays)
    expectFault(await ask(gateway, { streamed }), { status: 503, code: "audit_unavailable", retry: true });
  expect(gateway.provider.requests).toHaveLength(0);
});
