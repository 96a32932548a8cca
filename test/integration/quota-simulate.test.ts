/** Records of a whole sidecar, replayed: the quotas that admitted them come to the same sums, tighter ones say whom they would refuse. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { simulatedText } from "../../src/cli/quota/simulate/report.ts";
import { simulate } from "../../src/cli/quota/simulate.ts";
import {
  quota as backendQuota,
  ask as callBackends,
  keyOf,
  perHour,
  startBackends,
  used,
} from "../fixtures/backend-quotas.ts";
import { chat, send, until } from "../fixtures/calls.ts";
import { openRoute, quotaYaml, startTestGateway } from "../fixtures/sidecar.ts";

const folder = mkdtempSync(join(tmpdir(), "sidegate-replay-"));
afterAll(() => rmSync(folder, { recursive: true }));

const day = { type: "Fixed", durationMs: 86_400_000 } as const;
const perDay = "window: {type: Fixed, duration: 24h}";
const limits = (requests: number, more = "") => [
  `{name: rpd, resource: Requests, limit: ${requests}, ${perDay}${more}}`,
  `{name: usd, resource: Cost, limit: "1.00", currency: USD, ${perDay}}`,
  `{name: tokens, resource: TotalTokens, limit: 100000, ${perDay}}`,
  "{name: running, resource: Concurrency, limit: 5}",
];

test("a replay charges what the sidecar charged, and refuses what it would refuse", async () => {
  const toMini = ", models: [gpt-4o], onExceeded: {action: Downgrade, model: gpt-4o-mini}";
  let yaml = "";
  const gateway = await startTestGateway({
    caller: { user: "alice", clientKey: "ci-7", app: "chat" },
    yaml: (url) => {
      yaml = openRoute(url, { quotas: quotaYaml(limits(4, toMini)) });
      return yaml;
    },
  });
  const ask = (content: string, more: object) =>
    send(`${gateway.url}/v1/chat/completions`, { body: chat(content, { ...more }) });
  for (let i = 0; i < 6; i++) expect((await ask(`question ${i}`, i % 2 ? { max_tokens: 50 } : {})).status).toBe(200);
  expect((await ask("too much", { max_tokens: 200_000 })).status, "refused then").toBe(429);
  const { records } = gateway.audit;
  await until("recorded", () => records.filter(({ record }) => record === "outcome").length === 7);
  const charged = async (limit: string) => gateway.stores.quota.peek("default", `default/q/${limit}/all`, day);
  await until("settled", async () => (await gateway.stores.quota.liveHolds("default")) === 0);
  const sums = { rpd: await charged("rpd"), usd: await charged("usd"), tokens: await charged("tokens"), running: 0 };
  await gateway.close();

  const from = join(folder, "audit.jsonl");
  writeFileSync(from, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  const replay = async (text: string) => {
    const file = join(folder, "quota.yaml");
    writeFileSync(file, text);
    return (await simulate({ from: [from], files: [file] })).tally;
  };
  const same = await replay(yaml);
  expect({ ...same }).toMatchObject({ replayed: 6, refused: 0, downgraded: 2, refusedThen: 1, withoutIntent: 0 });
  expect(Object.fromEntries([...same.limits.values()].map(({ limit, charged }) => [limit.name, charged]))).toEqual(
    sums,
  );

  const per = "per: [User, ClientKey, App, Pod]";
  const tighter = await replay(quotaYaml(limits(4), { extra: per }));
  expect({ ...tighter }).toMatchObject({ replayed: 6, refused: 2, downgraded: 0 });
  expect(tighter.limits.get("default/q/rpd")).toMatchObject({
    ...{ met: 6, refused: 2, charged: 4 },
    refusedBySubject: new Map([["user=alice:key=ci-7:app=chat:pod=pod-1", 2]]),
  });
});

test("calls are counted by the backend that the records name: as they begin where they tell it then, else as they end", async () => {
  const gateway = await startBackends(
    backendQuota("q", [perHour("rph", "Requests", 3), perHour("tph", "TotalTokens", 9_000)]),
  );
  gateway.provider.behaveFor(keyOf.a, "status=503;retry-after=0");
  for (let i = 0; i < 3; i++) await callBackends(gateway);
  gateway.provider.behaveFor(keyOf.a, undefined);
  for (let i = 0; i < 2; i++) await callBackends(gateway); // a has had its three
  const { records } = gateway.audit;
  await until("recorded", () => records.filter(({ record }) => record === "outcome").length === 5);
  await until("settled", async () => (await gateway.stores.quota.liveHolds("default")) === 0);
  const usedOf = async (limit: string) => [
    await used(gateway, `q/${limit}/backend=test/a`),
    await used(gateway, `q/${limit}/backend=test/b`),
  ];
  expect(await usedOf("rph")).toEqual([3, 3]);
  const tokens = (await usedOf("tph")).reduce((sum, each) => sum + each);
  await gateway.close();
  expect(records.filter(({ record }) => record === "outcome").map(({ status }) => status)).toEqual([
    200, 200, 200, 429, 429,
  ]);

  const replay = async (isTold: boolean, limit: number) => {
    const from = join(folder, "backends.jsonl");
    const said = records.map(({ backend, ...record }) =>
      isTold || record.record === "outcome" ? { ...record, backend } : record,
    );
    writeFileSync(from, said.map((record) => `${JSON.stringify(record)}\n`).join(""));
    const file = join(folder, "backends.yaml");
    writeFileSync(file, backendQuota("q", [perHour("rph", "Requests", limit), perHour("tph", "TotalTokens", 9_000)]));
    return simulate({ from: [from], files: [file] });
  };
  const told = await replay(true, 3);
  expect({ ...told.tally }).toMatchObject({ replayed: 3, refused: 0, uncounted: 0, lateBackends: 0 });
  expect(told.tally.limits.get("default/q/tph")?.charged).toBe(tokens);
  expect(told.tally.limits.get("default/q/rph")?.charged).toBe(6); // a and b, each of three
  const late = await replay(false, 2);
  expect({ ...late.tally }).toMatchObject({ replayed: 3, refused: 1, uncounted: 0, lateBackends: 3 });
  expect(late.tally.limits.get("default/q/rph")?.refusedBySubject).toEqual(new Map([["backend=test/b", 1]]));
  expect(simulatedText(late)).toContain("3 calls are counted by Backend when they end");
});

test("a record tells that something has no bound, and never in the client's own words", async () => {
  const gateway = await startTestGateway();
  const body = chat("hi", { tools: [{ type: "made_up_word" }] });
  await send(`${gateway.url}/v1/chat/completions`, { body });
  const { records } = gateway.audit;
  await until("recorded", () => records.length === 2);
  await gateway.close();
  expect(records[0]).toMatchObject({ record: "intent", heldTokens: { unbounded: true, unpriced: true } });
  expect(JSON.stringify(records)).not.toContain("made_up_word");
});

test("answers from the cache are replayed with all that admission saw of them", async () => {
  const gateway = await startTestGateway({
    caller: { user: "alice", clientKey: "ci-7", app: "chat" },
    yaml: (url) => openRoute(url, { rule: "cache: {exact: {ttl: 1m, when: Always}}" }),
  });
  const ask = (more: object) => send(`${gateway.url}/v1/chat/completions`, { body: chat("again", { ...more }) });
  for (let i = 0; i < 3; i++) expect((await ask({ web_search_options: {} })).status).toBe(200);
  const { records } = gateway.audit;
  await until("recorded", () => records.filter(({ record }) => record === "outcome").length === 3);
  await gateway.close();
  const { clientKey, pod, app, streamed, heldTokens } = records.find(({ record }) => record === "intent") ?? {};
  expect(heldTokens).toMatchObject({ unbounded: true, unpriced: true });
  const hits = records.filter(({ outcome }) => outcome === "hit");
  expect(hits).toHaveLength(2);
  for (const hit of hits) expect(hit).toMatchObject({ clientKey, pod, app, streamed, heldTokens });

  const from = join(folder, "hits.jsonl");
  writeFileSync(from, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  const replay = async (limit: string) => {
    const file = join(folder, "hits.yaml");
    writeFileSync(file, quotaYaml([limit], { extra: "per: [ClientKey]" }));
    return (await simulate({ from: [from], files: [file] })).tally;
  };
  const byKey = await replay(`{name: rpd, resource: Requests, limit: 2, ${perDay}}`);
  expect(byKey.limits.get("default/q/rpd")?.refusedBySubject).toEqual(new Map([["key=ci-7", 1]]));
  const spent = await replay(`{name: out, resource: OutputTokens, limit: 20, ${perDay}}`);
  expect({ ...spent }).toMatchObject({ replayed: 3, unmeasuredHits: 0 });
  expect(spent.limits.get("default/q/out")?.refused, "eight of twenty are used, and sixteen are held at least").toBe(2);
});
