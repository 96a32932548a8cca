/** `sidegate quota recover` on a real Redis where records, logins or Redis are not as they should be: rather too little is added than too much. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { spanOf } from "../../src/base/window.ts";
import { type RecoveryAsked, recover } from "../../src/cli/quota/recover/recovery.ts";
import { add, readCounters } from "../../src/cli/quota/recover/redis.ts";
import { recoveredText } from "../../src/cli/quota/recover/report.ts";
import { aclSetUser } from "../../src/redis/acl.ts";
import { encodeBeat } from "../../src/redis/heartbeat.ts";
import { beatKey } from "../../src/redis/keys.ts";
import { RedisLink } from "../../src/redis/link.ts";
import { withLogin } from "../../src/redis/url.ts";
import { readResources } from "../../src/resources/read.ts";
import { startRedis, type TestRedis } from "../fixtures/redis.ts";
import { quotaYaml } from "../fixtures/sidecar.ts";

const folder = mkdtempSync(join(tmpdir(), "sidegate-recover-"));
const day = 86_400_000;
const limits = ["{name: requests, resource: Requests, limit: 1000000, window: {type: Sliding, duration: 24h}}"];
const quotas = quotaYaml(limits, { extra: "per: [App]" });
const quotasOf = (namespace: string) =>
  readResources([{ path: "q.yaml", text: quotas.replaceAll("namespace: default", `namespace: ${namespace}`) }]).quotas;

let redis: TestRedis;
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
  link = linkOf(redis.url);
  await link.ready();
});
afterEach(() => link.close());

const linkOf = (url: string): RedisLink =>
  new RedisLink({ place: { url }, log: silentLog(), clock: systemClock, name: "t", timeoutMs: 5_000 });
const linkAs = (username: string): RedisLink => linkOf(withLogin(redis.url, { username, password: "sidecars" }));
const unitsAt = async (key: string): Promise<number> =>
  Object.values((await link.send(["hgetall", key])) ?? {}).reduce((sum: number, units) => sum + Number(units), 0);
const run = (more: Partial<RecoveryAsked> = {}) =>
  recover({ link, from: [file], quotas: quotasOf("default"), apply: true, steadyForMs: 0, isSettled: true, ...more });

const dayKey = (subject: string, namespace = "default") =>
  `sg:{${namespace}}:sliding:${day}:${namespace}/q/requests/${subject}`;
const write = (...records: readonly object[]): void => {
  const common = { time: new Date(Date.now() - 60_000).toISOString(), instance: "gone", identity: "default/bot" };
  for (const each of records) appendFileSync(file, `${JSON.stringify({ ...common, ...each })}\n`);
};
const ended = (id: string, key: string, units: number, more: object = {}) => {
  return { record: "outcome", id, counters: [[key, units, day]], charged: [units], ...more };
};

test("calls that ended after the files were copied are not added as held, unless that is asked for", async () => {
  for (let i = 0; i < 10; i++)
    write({ record: "intent", quota: "enforced", id: `c${i}`, pod: "p", counters: [[dayKey("app=chat"), 50, day]] });
  const looked = await run();
  expect(await unitsAt(dayKey("app=chat"))).toBe(0);
  expect(recoveredText(looked)).toContain(
    "10 calls without an end, whose sidecar is gone, q/requests 500 held: left out; --count-unfinished adds them, when",
  );
  await run({ countUnfinished: true });
  expect(await unitsAt(dayKey("app=chat"))).toBe(500);
});

test("what a sidecar may still tell by itself is left out: of one that is in Redis nothing is", async () => {
  const pod = { record: "intent", quota: "enforced", pod: "pod-1", id: "a", counters: [[dayKey("app=chat"), 5, day]] };
  write(pod, { record: "outcome", id: "a", charged: [5] });
  const looked = await run({ isSettled: false });
  expect([await unitsAt(dayKey("app=chat")), looked.told.tellable]).toEqual([0, 1]);
  expect(recoveredText(looked)).toMatch(/1 calls ended less than \d+ s before, and their sidecar is not in this Redis/);
  const beat = { pod: "pod-1", instance: "gone", contract: 2, digest: `sha256:${"0".repeat(64)}`, release: "1.0.0" };
  await link.send(["set", beatKey("default", "pod-1"), encodeBeat(beat)]);
  await run({ isSettled: false });
  expect(await unitsAt(dayKey("app=chat"))).toBe(5);
});

test("forged lines: no other namespace's counter is touched, and what is far above the limit waits for --force", async () => {
  write(ended("x", dayKey("app=chat", "victim"), 9_007_199_254_740_991));
  for (let i = 0; i < 20; i++) write(ended(`h${i}`, dayKey("app=chat"), 9_007_199_254_740_991));
  const all = { quotas: [...quotasOf("default"), ...quotasOf("victim")] };
  const refused = await run(all);
  expect(await link.send(["keys", "*"])).toEqual([]);
  expect(refused.told.foreign).toBe(1);
  expect(recoveredText(refused)).toContain("1 counters were charged more than twice their limit");
  await run({ ...all, force: true });
  expect(await link.send(["hgetall", dayKey("app=chat")])).toEqual(
    expect.objectContaining({ [String(refused.rows[0]?.additions[0]?.slot)]: "9007199254740991" }),
  );
  expect((await run({ ...all, force: true })).rows[0]).toMatchObject({ missing: 0 });
});

test("a counter that the login may not read or add to is told, and the others are made good", async () => {
  write(ended("x", dayKey("app=chat", "other"), 5, { identity: "other/bot" }), ended("y", dayKey("app=chat"), 7));
  await redis.command(`ACL ${aclSetUser("default", ["sidecars"]).join(" ")}`);
  const login = linkAs("sg-default");
  await login.ready();
  const done = await run({ link: login, quotas: [...quotasOf("other"), ...quotasOf("default")] });
  login.close();
  expect(await unitsAt(dayKey("app=chat"))).toBe(7);
  expect(done.unreadable).toBe(1);
  expect(recoveredText(done)).toContain("1 counters may not be read with this login (NOPERM): left out");
});

test("an addition is all or nothing: where a command is not permitted, no unit and no key is left", async () => {
  write(ended("y", dayKey("app=chat"), 7));
  for (const command of ["pexpireat", "hset"]) {
    await redis.command(`ACL ${aclSetUser("default", ["sidecars"]).join(" ")} -${command}`);
    const login = linkAs("sg-default");
    await login.ready();
    await run({ link: login }).catch(() => undefined);
    login.close();
    expect(await link.send(["keys", "*"]), command).toEqual([]);
  }
});

test("a key is never given an earlier end than a sidecar has given it", async () => {
  const key = dayKey("app=chat");
  write(ended("y", key, 7));
  const window = { type: "Sliding", durationMs: day } as const;
  const { slot, endsMs } = spanOf(window, Date.now());
  await link.send(["hset", key, String(slot), "1"]);
  await link.send(["pexpireat", key, String(endsMs + 60_000)]); // as reserve.lua
  await run();
  expect(Number(await link.send(["pexpiretime", key]))).toBeGreaterThanOrEqual(endsMs + 60_000);
  // A command that was under way for long: newer slots may have been charged meanwhile.
  const late = { key, window, nowMs: Date.now() - 60_000, additions: [{ slot, units: 1 }] };
  const seen = (await readCounters(link, [key])).get(key);
  if (!seen) throw new Error("it is there");
  expect(await add(link, { ...late, seen })).toBe("ended");
  expect(await add(link, { ...late, seen, nowMs: Date.now() })).toBe("added");
  expect(await add(link, { ...late, seen, nowMs: Date.now() })).toBe("overtaken");
});

test("columns stand below each other where a name holds what a terminal could obey", async () => {
  write(ended("y", dayKey("app=\u001b[31mevil"), 5), ended("z", dayKey("app=chat"), 5));
  const [, ...rows] = recoveredText(await run({ apply: false })).split("\n");
  expect(rows[0]).toContain("app=\\u{1b}[31mevil");
  expect(rows[0]?.length).toBe(rows[1]?.length);
});
