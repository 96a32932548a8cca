/** `sidegate quota recover` on a real Redis, from the records of whole sidecars: what was lost comes back, once, and nothing more. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { AIQuota } from "../../src/api/aiquota.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { type RecoveryAsked, recover } from "../../src/cli/quota/recover/recovery.ts";
import { additionsOf, recoveredJson, recoveredText } from "../../src/cli/quota/recover/report.ts";
import { recoverQuotas } from "../../src/cli/quota/recover.ts";
import { aclSetUser, operatorAclRule } from "../../src/redis/acl.ts";
import { RedisLink } from "../../src/redis/link.ts";
import { withLogin } from "../../src/redis/url.ts";
import { readResources } from "../../src/resources/read.ts";
import { chat, send, until } from "../fixtures/calls.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import { openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

const folder = mkdtempSync(join(tmpdir(), "sidegate-recover-"));
const day = 86_400_000;
const month = "window: {type: Calendar, period: Month}";
const limits = [
  `{name: tokens, resource: TotalTokens, limit: 100000000, ${month}}`,
  `{name: usd, resource: Cost, limit: "1000.00", currency: USD, ${month}}`,
  "{name: requests, resource: Requests, limit: 1000000, window: {type: Sliding, duration: 24h}}",
  "{name: running, resource: Concurrency, limit: 500}",
];
const quotas = quotaYaml(limits, { extra: "per: [App]\n  reservation: {lease: 5s}" });

const known: readonly AIQuota[] = readResources([{ path: "q.yaml", text: quotas }]).quotas;
const keyOf = (limit: string): string =>
  `sg:{default}:${limit === "requests" ? `sliding:${day}` : "calendar"}:default/q/${limit}/app=chat`;
const counted = ["tokens", "usd", "requests"] as const;

let redis: TestRedis;
let gateway: TestGateway;
let link: RedisLink;
let file = "";
let serial = 0;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis.stop();
  rmSync(folder, { recursive: true });
});
beforeEach(async () => {
  await redis.command("FLUSHALL");
  file = join(folder, `audit-${++serial}.jsonl`);
  writeFileSync(file, "");
  gateway = await startTestGateway({
    redisUrl: redis.url,
    caller: { app: "chat" },
    yaml: (url) => openRoute(url, { quotas }),
  });
  // As a sidecar writes it: the line is there before the call goes on.
  gateway.audit.write = async (line) => appendFileSync(file, `${line}\n`);
  link = new RedisLink({
    place: { url: redis.url },
    log: silentLog(),
    clock: systemClock,
    name: "t",
    timeoutMs: 5_000,
  });
  await link.ready();
});
afterEach(async () => {
  link.close();
  await gateway.close();
});

const ask = (tokens: number, more: object = {}, delayMs = 0) =>
  send(`${gateway.url}/v1/chat/completions`, {
    body: chat("How many units?", { user: `fake:tokens=${tokens};delay=${delayMs}`, max_tokens: 200, ...more }),
  });
const callMany = async (count: number): Promise<void> => {
  await Promise.all(Array.from({ length: count }, (_, i) => ask(10 + i)));
  await settled();
};
const settled = () => until("settled", async () => (await gateway.stores.quota.liveHolds("default")) === 0);

/** What stands in Redis, all slots together. */
const unitsOf = async (limit: (typeof counted)[number]): Promise<number> => {
  const slots = Object.values((await link.send(["hgetall", keyOf(limit)])) ?? {});
  return slots.reduce((sum: number, units) => sum + Number(units), 0);
};
const all = async () =>
  Object.fromEntries(await Promise.all(counted.map(async (limit) => [limit, await unitsOf(limit)])));
/** Takes away a part of every counter, as an older copy of Redis would have it. */
const lose = async (share: number): Promise<void> => {
  for (const limit of counted) {
    const slots = Object.entries((await link.send(["hgetall", keyOf(limit)])) ?? {});
    for (const [slot, units] of slots)
      await link.send(["hincrby", keyOf(limit), slot, String(-Math.floor(Number(units) * share))]);
  }
};
const run = (more: Partial<RecoveryAsked> = {}) =>
  recover({ link, from: [file], quotas: known, apply: true, steadyForMs: 0, isSettled: true, ...more });
const sumOf = (recovered: Awaited<ReturnType<typeof run>>) =>
  recovered.rows.map(({ target, missing, added = 0 }) => [target.limit.name, missing, added]);

test("what was lost comes back to the unit, a second run adds nothing, and nothing is changed without being asked", async () => {
  await callMany(20);
  const truth = await all();
  expect(sumOf(await run())).toEqual(counted.map((limit) => [limit, 0, 0]));
  await lose(0.4);
  const lowered = await all();
  const looked = await run({ apply: false });
  expect(await all()).toEqual(lowered);
  expect(recoveredText(looked)).toContain("3 of 3 counters lack something. To add it: --apply");
  const done = await run();
  expect(await all()).toEqual(truth);
  expect(recoveredText(done)).toMatch(/^default\/q +tokens +app=chat +\d+ +\d+ +(\d+) +\1$/m);
  expect(JSON.parse(recoveredJson(done)).counters[0]).toMatchObject({
    ...{ quota: "default/q", limit: "tokens", subject: "app=chat", ledger: truth["tokens"], overtaken: false },
    ...{ redis: lowered["tokens"], added: (truth["tokens"] ?? 0) - (lowered["tokens"] ?? 0) },
  });
  expect(sumOf(await run())).toEqual(counted.map((limit) => [limit, 0, 0]));
  expect(await all()).toEqual(truth);
  expect(Number(await link.send(["pttl", keyOf("tokens")])), "it ends as the others").toBeGreaterThan(60_000);
});

test("a counter that is gone altogether is made anew, and ends with its window", async () => {
  await callMany(5);
  const truth = await all();
  for (const limit of counted) await link.send(["del", keyOf(limit)]);
  await run({ from: [file, file] });
  expect(await all()).toEqual(truth);
  const ttlMs = Number(await link.send(["pttl", keyOf("requests")]));
  expect([ttlMs > day, ttlMs < day * 1.1]).toEqual([true, true]);
});

test("two at the same moment add once, and the second is told", async () => {
  await callMany(8);
  const truth = await all();
  await lose(0.5);
  const both = Promise.withResolvers<void>();
  let waiting = 0;
  const beforeAdding = (): Promise<void> => {
    if (++waiting === 2) both.resolve();
    return both.promise;
  };
  const done = await Promise.all([run({ beforeAdding }), run({ beforeAdding })]);
  expect(await all()).toEqual(truth);
  const rows = done.flatMap(({ rows }) => rows);
  expect([rows.filter(({ isOvertaken }) => isOvertaken).length, rows.filter(({ added }) => added).length]).toEqual([
    3, 3,
  ]);
});

test("while traffic goes on nothing is charged twice, and in the end everything once", {
  timeout: 60_000,
}, async () => {
  await callMany(50);
  let lostTokens = 0;
  let isDone = false;
  let calls = 0;
  const callers = Array.from({ length: 8 }, async (_, i) => {
    while (!isDone) {
      const stream = i % 3 === 0 && { stream: true, stream_options: { include_usage: true } };
      await ask(5 + ((calls * 7) % 50), { ...stream }, i % 2 ? 30 : 0);
      calls++;
    }
  });
  const added: number[] = [];
  for (let round = 0; round < 6; round++) {
    await sleep(150);
    const [slot = ""] = Object.keys((await link.send(["hgetall", keyOf("tokens")])) ?? {});
    await link.send(["hincrby", keyOf("tokens"), slot, "-400"]);
    lostTokens += 400;
    added.push(
      ...(await run()).rows.filter(({ target }) => target.limit.name === "tokens").map((row) => row.added ?? 0),
    );
  }
  isDone = true;
  await Promise.all(callers);
  await settled();
  const total = added.reduce((sum, each) => sum + each, 0);
  expect(total, `of ${lostTokens}, over ${calls} calls`).toBeLessThanOrEqual(lostTokens);
  expect(total).toBeGreaterThan(0);
  // Nothing runs any more: what is still missing is exact, and never negative.
  const rest = (await run()).rows.find(({ target }) => target.limit.name === "tokens");
  expect(total + (rest?.added ?? 0)).toBe(lostTokens);
  expect(await unitsOf("tokens")).toBe(rest?.ledger);
});

const linkAs = (username: string): RedisLink =>
  new RedisLink({
    place: { url: withLogin(redis.url, { username, password: "sidecars" }) },
    ...{ log: silentLog(), clock: systemClock, name: "t", timeoutMs: 5_000 },
  });

test("the login of the namespace's sidecars suffices, the operator's is refused with what to do", async () => {
  await callMany(3);
  const truth = await all();
  await lose(0.5);
  await redis.command(`ACL SETUSER op on >operators ${operatorAclRule}`);
  await redis.command(`ACL ${aclSetUser("default", ["sidecars"]).join(" ")}`);
  const quotaFile = join(folder, "q.yaml");
  writeFileSync(quotaFile, quotas);
  const args = ["--from", file, "-f", quotaFile, "--apply"];
  const as = (username: string, password: string) => ({
    SIDEGATE_REDIS_URL: withLogin(redis.url, { username, password }),
  });
  await expect(recoverQuotas(args, as("op", "operators"))).rejects.toThrow(
    /^Redis answered NOPERM: this login may not read or add .* Take that of the namespace's sidecars, sg-NAMESPACE/,
  );
  expect(await all()).not.toEqual(truth);
  expect(await recoverQuotas(["--from", file, "-f", quotaFile, "q"], as("sg-default", "sidecars"))).toBe(0);
  await expect(recoverQuotas(["--from", file, "-f", quotaFile, "other"], as("op", "operators"))).rejects.toThrow(
    "there is no AIQuota other in these files",
  );
  const sidecars = linkAs("sg-default");
  await sidecars.ready();
  await run({ link: sidecars });
  sidecars.close();
  expect(await all()).toEqual(truth);
});

test("a failover or restart while it looks ends it, and nothing is added", async () => {
  await callMany(3);
  await lose(0.5);
  const lowered = await all();
  const beforeAdding = async (): Promise<void> => {
    await link.send(["replicaof", "127.0.0.1", "1"]);
    await link.send(["replicaof", "no", "one"]); // a new history, as after a takeover
  };
  await expect(run({ beforeAdding })).rejects.toThrow(/^Redis failed over or restarted while it was looked at/);
  expect(await all()).toEqual(lowered);
});

test("a failover midway ends it, and what was added until then is told", async () => {
  await callMany(3);
  await lose(0.5);
  let rowsSeen = 0;
  const beforeAdding = async (): Promise<void> => {
    if (++rowsSeen !== 2) return;
    await link.send(["replicaof", "127.0.0.1", "1"]);
    await link.send(["replicaof", "no", "one"]);
  };
  const done = await run({ beforeAdding });
  expect(done.rows.map(({ added = 0, missing }) => added === missing)).toEqual([true, false, false]);
  expect(done.fault?.message).toMatch(/^Redis failed over or restarted/);
  expect(recoveredText(done)).toMatch(/1 of 3 counters were made good\.\n\nIt ended midway: Redis failed over/);
  expect([...additionsOf(done).values()].join()).toContain("limit tokens");
  expect(JSON.parse(recoveredJson(done)).fault).toMatch(/^Redis failed over/);
});
