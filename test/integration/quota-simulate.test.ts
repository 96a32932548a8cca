/** Records of a whole sidecar, replayed: the quotas that admitted them come to the same sums, tighter ones say whom they would refuse. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { simulate } from "../../src/cli/quota/simulate.ts";
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
