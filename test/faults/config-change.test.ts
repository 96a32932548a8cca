// The config changes under running calls: fault 26 (a call keeps what it started with), 27 (a bad config changes nothing).
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { digestOf, encodeConfig } from "../../src/config/codec.ts";
import { loadConfig, watchConfig } from "../../src/sidecar/config-watch.ts";
import { wideQuotas } from "../fixtures/bad-input.ts";
import { send, until } from "../fixtures/calls.ts";
import { ask, callBytes, expectFault, expectSettled, lastOutcome } from "../fixtures/fault-calls.ts";
import { openRaw } from "../fixtures/raw-http.ts";
import { configFrom, openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

let gateway: TestGateway;
afterEach(async () => {
  await expectSettled(gateway);
  await gateway.close();
});
const yaml = (url: string): string => openRoute(url, { quotas: wideQuotas });

/** A stream under way: half its events have come. */
const startStream = async () => {
  const raw = await openRaw(gateway.url);
  raw.write(callBytes({ streamed: true, fake: "every=40;tokens=12" }));
  await raw.saw(/("delta".*){4}/s);
  return raw;
};

describe("fault 26: a config that comes in the middle of a stream", () => {
  test.each([
    {
      change: "closes the endpoint",
      to: (url: string) => yaml(url).replace("ChatCompletions, ", ""),
      want: [403, "endpoint_not_allowed"],
    },
    {
      change: "gives the route to others",
      to: (url: string) => yaml(url).replace("name: default}]", "name: other}]"),
      want: [403, "identity_refused"],
    },
    { change: "names another backend", to: () => yaml("http://127.0.0.1:9"), want: [502, "upstream_connect_failed"] },
    {
      change: "leaves no room",
      to: (url: string) =>
        openRoute(url, {
          quotas: quotaYaml(["{name: l, resource: Requests, limit: 0, window: {type: Fixed, duration: 1m}}"]),
        }),
      want: [429, "request_too_large_for_limit"],
    },
  ] as const)("and $change lets it end, and holds for the next call", async ({ to, want }) => {
    gateway = await startTestGateway({ yaml });
    const raw = await startStream();
    gateway.reload(to(gateway.provider.url));
    const [status, code] = want;
    const next = await ask(gateway, { streamed: true });
    expectFault(next, { status, code, retry: status === 502 });
    const [answer] = await raw.answered(1);
    raw.socket.destroy();
    expect(answer?.text).toMatch(/data: \[DONE\]\n\n$/);
    await expectSettled(gateway);
    const outcomes = gateway.audit.records.filter((record) => record.record === "outcome");
    expect(outcomes.at(-1)).toMatchObject({ outcome: "completed", usage: { outputTokens: 12 } });
  });

  test("in a hundred versions loses none of fifty calls", async () => {
    gateway = await startTestGateway({ yaml });
    const calls = Array.from({ length: 50 }, (_, i) => ask(gateway, { streamed: i % 2 === 0, fake: "every=5" }));
    for (let i = 0; i < 100; i++) {
      gateway.reload(`${yaml(gateway.provider.url).replace("limit: 100000000", `limit: ${100_000_000 + i}`)}`);
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const statuses = (await Promise.all(calls)).map((answer) => answer.status);
    expect(statuses).toEqual(Array(50).fill(200));
  });
});

describe("fault 27: a bad config", () => {
  const encoded = (text: string): string => encodeConfig(configFrom(text));
  const bad: Readonly<Record<string, (good: string) => string>> = {
    "that is no JSON": () => "{",
    "that is empty": () => "",
    "that is cut": (good) => good.slice(0, good.length / 2),
    "of a version to come": (good) => good.replace(/"contractVersion":\d+/, '"contractVersion":99'),
    "with a member that nobody knows": (good) => `{"teleport":true,${good.slice(1)}`,
    "with a limit that is no number": (good) => good.replace(/"limit":\d+/, '"limit":"many"'),
    "with a backend that no rule may name": (good) =>
      good.replace(/"backendRefs":\[\{[^}]*"name":"main"/, (text) => text.replace("main", "nobody")),
  };

  test.each(Object.keys(bad))(
    "%s changes nothing, /status and a metric say so, and the next good one is taken",
    async (name) => {
      gateway = await startTestGateway({ yaml });
      const good = encoded(yaml(gateway.provider.url));
      const folder = mkdtempSync(join(tmpdir(), "config-"));
      const path = join(folder, "config.v2.json");
      const put = (text: string): void => {
        writeFileSync(`${path}.new`, text);
        renameSync(`${path}.new`, path);
      };
      put(good);
      const { digest } = loadConfig(folder);
      const stop = watchConfig(folder, digest, {
        changed: (loaded) => gateway.sidecar.reload(loaded.config, loaded.digest),
        refused: (why) => gateway.sidecar.reloadFailed(why),
      });
      const status = async () =>
        (await send(`${gateway.sidecar.adminUrl}/status`)).json.config as Record<string, unknown>;
      put(bad[name]?.(good) ?? "");
      await until("the bad config is seen", async () => (await status()).lastReloadFault !== null);
      expect(await status()).toMatchObject({ digest: gateway.sidecar.gateway.snapshot.digest, route: "default/test" });
      expect((await send(`${gateway.sidecar.adminUrl}/metrics`)).text).toMatch(
        /sidegate_config_reload_failures_total 1/,
      );
      expect((await send(`${gateway.sidecar.adminUrl}/readyz`)).status).toBe(200);
      expect((await ask(gateway, { streamed: false })).status).toBe(200);
      const next = encoded(yaml(gateway.provider.url).replace("limit: 100000000", "limit: 100000001"));
      put(next);
      await until("the good config is in force", async () => (await status()).digest === digestOf(next));
      expect((await status()).lastReloadFault).toBeNull();
      expect((await ask(gateway, { streamed: true })).status).toBe(200);
      expect(lastOutcome(gateway)).toMatchObject({ outcome: "completed" });
      stop();
      rmSync(folder, { recursive: true });
    },
  );
});
