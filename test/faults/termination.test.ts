// The sidecar itself ends: fault 24. SIGTERM lets streams finish, and tells those that cannot; SIGKILL leaves intents on record.
import { dirname } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { startGuarded, wideQuotas } from "../fixtures/bad-input.ts";
import { type ByteProvider, startByteProvider } from "../fixtures/byte-provider.ts";
import { until } from "../fixtures/calls.ts";
import { ask, callBytes, eventsOf, expectFault, expectSettled, lastOutcome } from "../fixtures/fault-calls.ts";
import { openRaw } from "../fixtures/raw-http.ts";
import { openRoute, type TestGateway } from "../fixtures/sidecar.ts";
import { type SidegateProcess, startSidegate } from "../fixtures/sidegate-process.ts";

const rule = "timeouts: {firstByte: 60s, idle: 60s, total: 60s}";

describe("fault 24: a sidecar that is asked to end", () => {
  let gateway: TestGateway;
  afterEach(() => gateway.close());

  test("lets streams and plain answers finish that do so within its grace", async () => {
    gateway = await startGuarded({ rule, graceMs: 3_000 });
    const stream = ask(gateway, { streamed: true, fake: "every=60" });
    const plain = ask(gateway, { streamed: false, fake: "delay=400" });
    await until("both run", () => gateway.sidecar.gateway.running === 2);
    const failed = await gateway.sidecar.stop();
    expect((await stream).text).toMatch(/data: \[DONE\]\n\n$/);
    expect((await plain).status).toBe(200);
    expect(failed).toEqual([]);
    await expectSettled(gateway);
  });

  test("takes no new connection, and refuses what comes on old ones", async () => {
    gateway = await startGuarded({ rule, graceMs: 3_000 });
    const old = await openRaw(gateway.url);
    old.write(callBytes({ streamed: true, fake: "every=50" }));
    await old.saw("delta");
    const stopped = gateway.sidecar.stop();
    old.write(callBytes({ streamed: false }));
    await until("it accepts no more", () =>
      openRaw(gateway.url)
        .then(
          (raw) => void raw.socket.destroy(),
          () => true,
        )
        .then(Boolean),
    );
    const [first, second] = await old.answered(2);
    expect(first?.text).toMatch(/data: \[DONE\]\n\n$/);
    if (second) expectFault(second, { status: 503, code: "draining", retry: true });
    expect(old.isClosed() || second?.headers.connection === "close").toBe(true);
    old.socket.destroy();
    await stopped;
  });

  test("tells those that do not finish: an error frame, a 503", async () => {
    gateway = await startGuarded({ rule, graceMs: 200 });
    const stream = ask(gateway, { streamed: true, fake: "hang=mid;k=4" });
    const responses = ask(gateway, { streamed: true, endpoint: "responses", fake: "hang=mid;k=4" });
    const plain = ask(gateway, { streamed: false, fake: "hang=headers" });
    const half = ask(gateway, { streamed: false, fake: "hang=mid;k=4" });
    await until("all run", () => gateway.provider.openRequests === 4);
    const startedMs = performance.now();
    await gateway.sidecar.stop();
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expectFault(await stream, { status: 200, code: "draining", isFrame: true });
    expect(eventsOf((await stream).text)).toHaveLength(5);
    expectFault(await responses, { status: 200, code: "draining", isFrame: true });
    expectFault(await plain, { status: 503, code: "draining", retry: true });
    expectFault(await half, { status: 503, code: "draining", retry: true });
    await expectSettled(gateway);
    expect(gateway.provider.openSockets).toBe(0);
    expect(lastOutcome(gateway).outcome).not.toBe("refused");
  });
});

describe("fault 24: the process", () => {
  let provider: ByteProvider;
  let sidegate: SidegateProcess;
  afterEach(async () => {
    await sidegate.stop();
    await provider.close();
  });
  const event = 'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n';
  const start = async (): Promise<void> => {
    provider = await startByteProvider();
    sidegate = await startSidegate(openRoute(provider.url, { rule, quotas: wideQuotas }), { grace: 1 });
  };
  /** A stream of which one event has come; `finish` ends it well. */
  const startStream = async () => {
    let finish = (): void => undefined;
    provider.next((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(event);
      finish = () => void response.end("data: [DONE]\n\n");
    });
    const raw = await openRaw(sidegate.url);
    raw.write(callBytes({ streamed: true }));
    await raw.saw("delta");
    return { raw, finish: () => finish() };
  };

  test("ends on SIGTERM with 0 once its streams have ended, each on record with its outcome", async () => {
    await start();
    const finishing = await startStream();
    const hanging = await startStream();
    sidegate.child.kill("SIGTERM");
    await until("it drains", async () => (await sidegate.status()).draining);
    finishing.finish();
    const [good] = await finishing.raw.answered(1);
    const [told] = await hanging.raw.answered(1);
    expect(good?.text).toBe(`${event}data: [DONE]\n\n`);
    expect(told?.text).toContain('"code":"draining"');
    expect(await sidegate.ended).toEqual([0, null]);
    const { records, isWhole } = sidegate.audit();
    expect(isWhole).toBe(true);
    expect(
      records
        .filter((record) => record.record === "outcome")
        .map((record) => record.outcome)
        .sort(),
    ).toEqual(["completed", "uncertain"]);
  });

  test("leaves on SIGKILL an intent for every call that was under way, and a file that goes on", async () => {
    await start();
    expect((await ask(sidegate, { streamed: false })).status).toBe(200);
    const { raw } = await startStream();
    await until("the outcome of the first is on file", () => sidegate.audit().records.length === 3);
    sidegate.child.kill("SIGKILL");
    await sidegate.ended;
    await until("the client notices", () => raw.isClosed());
    expect(raw.answers()[0]?.isWhole).toBe(false);
    await until("the provider notices", () => provider.openRequests === 0);
    await expect(openRaw(sidegate.url)).rejects.toThrow("ECONNREFUSED"); // fault 25: nothing lets the application past
    const before = sidegate.audit();
    expect(before.records.map((record) => record.record)).toEqual(["intent", "outcome", "intent"]);
    sidegate = await startSidegate(openRoute(provider.url, { quotas: wideQuotas }), { folder: dirname(sidegate.file) });
    expect((await ask(sidegate, { streamed: true })).text).toMatch(/data: \[DONE\]\n\n$/);
    await until("the new outcome is on file", () => sidegate.audit().records.length === 5);
    expect(sidegate.audit().isWhole).toBe(true);
  });

  test("keeps its last good resources when the file turns bad, and takes the next good ones", async () => {
    await start();
    const { writeFileSync } = await import("node:fs");
    const { digest } = (await sidegate.status()).config;
    writeFileSync(sidegate.file, openRoute(provider.url).replace("backends:", "backendz:"));
    await until("the fault is told", async () => (await sidegate.status()).config.lastReloadFault !== null, 5_000);
    expect((await sidegate.status()).config.lastReloadFault).toMatch(/resources\.yaml:\d+.*backendz/s);
    expect((await sidegate.status()).config.digest).toBe(digest);
    expect((await ask(sidegate, { streamed: true })).status).toBe(200);
    writeFileSync(sidegate.file, openRoute(provider.url));
    await until("the new one is in force", async () => (await sidegate.status()).config.digest !== digest, 5_000);
    expect((await ask(sidegate, { streamed: false })).status).toBe(200);
  });
});
