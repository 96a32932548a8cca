/** What audit records say was charged is what Redis counted, however calls end and whatever quotas count by. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { recover } from "../../src/cli/quota/recover/recovery.ts";
import { RedisLink } from "../../src/redis/link.ts";
import { readResources } from "../../src/resources/read.ts";
import { chat, send, until } from "../fixtures/calls.ts";
import { startRedis } from "../fixtures/redis.ts";
import { openRoute, quotaYaml, startTestGateway } from "../fixtures/sidecar.ts";

const folder = mkdtempSync(join(tmpdir(), "sidegate-ledger-"));
afterAll(() => rmSync(folder, { recursive: true }));

const month = "window: {type: Calendar, period: Month}";
const hours = "window: {type: Sliding, duration: 24h}";
const rows = (name: string) => [
  `{name: tokens-${name}, resource: TotalTokens, limit: 100000000, ${month}}`,
  `{name: requests-${name}, resource: Requests, limit: 1000000, ${hours}}`,
  `{name: usd-${name}, resource: Cost, currency: USD, limit: "1000.00", ${month}}`,
];
const quotas = ["App", "Backend", "SourceIP", "Model"]
  .map((per) => quotaYaml(rows(per.toLowerCase()), { name: per.toLowerCase(), extra: `per: [${per}]` }))
  .join("");

test("each counter's ledger is what stands in Redis: answers, streams, hits, errors, clients that go, backends that give way", async () => {
  const redis = await startRedis();
  const backend = (name: string, url: string) =>
    `- {name: ${name}, type: OpenAI, endpoint: "${url}", credentials: [{type: Secret, secretRef: {name: keys, key: main}}]}`;
  const gateway = await startTestGateway({
    redisUrl: redis.url,
    caller: { app: "chat" },
    yaml: (url) =>
      openRoute(url, {
        quotas,
        rule: "cache: {exact: {ttl: 1m, when: Always}}",
        backends: `${backend("dead", "http://127.0.0.1:9")}\n    ${backend("main", `${url}/v1`)}`,
        backendRefs: "[{name: dead, priority: 0}, {name: main, priority: 1}]",
      }),
  });
  const ask = (content: string, more: object = {}) =>
    send(`${gateway.url}/v1/chat/completions`, { body: chat(content, { max_tokens: 50, ...more }) });
  const stream = { stream: true, stream_options: { include_usage: true } };
  expect((await ask("one")).status).toBe(200);
  expect((await ask("one")).headers.get("cache-status")).toContain("hit");
  await ask("two", stream);
  await ask("three", { ...stream, stream_options: undefined });
  expect((await ask("four", { user: "fake:status=500" })).status).toBe(500);
  const leaving = new AbortController();
  const body = JSON.stringify(chat("five", { ...stream, user: "fake:tokens=40;every=50", max_tokens: 50 }));
  const left = await fetch(`${gateway.url}/v1/chat/completions`, {
    ...{ method: "POST", headers: { "content-type": "application/json" }, body, signal: leaving.signal },
  });
  await left.body?.getReader().read();
  leaving.abort();
  const outcomes = () => gateway.audit.records.filter(({ record }) => record === "outcome").length;
  await until("all have ended", () => outcomes() === 6);
  const endings = gateway.audit.records.flatMap(({ record, outcome }) => (record === "outcome" ? [outcome] : []));
  expect(endings.toSorted()).toEqual(["aborted", "completed", "completed", "completed", "failed", "hit"]);
  await until("settled", async () => (await gateway.stores.quota.liveHolds("default")) === 0);

  const from = join(folder, "audit.jsonl");
  writeFileSync(from, gateway.audit.records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  const link = new RedisLink({
    ...{ place: { url: redis.url }, log: silentLog(), clock: systemClock, name: "t", timeoutMs: 5_000 },
  });
  await link.ready();
  const known = readResources([{ path: "q.yaml", text: quotas }]).quotas;
  const recovered = await recover({ link, from: [from], quotas: known, apply: false });
  const found = recovered.rows.map(({ target, ledger, redis: stands }) => ({
    ...{ limit: target.limit.name, subject: target.subject, ledger, redis: stands },
  }));
  expect(found.map(({ limit, subject, redis: stands }) => [limit, subject, stands])).toEqual(
    found.map(({ limit, subject, ledger }) => [limit, subject, ledger]),
  );
  expect(new Set(found.map(({ subject }) => subject))).toEqual(
    new Set(["app=chat", "backend=test/main", "ip=127.0.0.1", "model=gpt-4o"]),
  );
  expect(found.find(({ limit }) => limit === "requests-app")?.ledger).toBe(6);
  expect(recovered.told).toMatchObject({ calls: 6, orphans: 0, withoutOutcome: 0, untold: 0 });
  link.close();
  await gateway.close();
  await redis.stop();
});
