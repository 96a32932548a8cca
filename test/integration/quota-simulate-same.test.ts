/** What a replay says of each call, beside what a sidecar with these quotas did with the very same calls at the very same times. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { FakeClock } from "../../src/base/clock.ts";
import { mergedRecords, nothingPassedOver } from "../../src/cli/quota/simulate/merged.ts";
import { Replay } from "../../src/cli/quota/simulate/replay.ts";
import { randomFrom } from "../../src/fakeprovider/words.ts";
import { readResources } from "../../src/resources/read.ts";
import { chat, until } from "../fixtures/calls.ts";
import { openRoute, quotaYaml, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

const folder = mkdtempSync(join(tmpdir(), "sidegate-same-"));
afterAll(() => rmSync(folder, { recursive: true }));

const callsCount = 50;
const [second, minute] = [1_000, 60_000];
/** The night in which clocks go back in Europe. */
const startMs = Date.parse("2026-10-24T20:30:00Z");

const quotas = (): string => {
  const hour = "window: {type: Fixed, duration: 1h}";
  const lease = "reservation: {lease: 1h}"; // the clock of this test goes faster than leases are renewed
  const toMini = "models: [gpt-4o], onExceeded: {action: Downgrade, model: gpt-4o-mini}";
  const sliding = (duration: string) => `window: {type: Sliding, duration: ${duration}}`;
  const day = (timeZone: string) => `window: {type: Calendar, period: Day, timeZone: ${timeZone}}`;
  return [
    quotaYaml([`{name: rpm, resource: Requests, limit: 3, burst: 2, ${sliding("10m")}}`], {
      ...{ name: "models", extra: `per: [Model]\n  ${lease}` },
    }),
    quotaYaml([`{name: day, resource: TotalTokens, limit: 24000, ${day("Europe/Warsaw")}}`], {
      ...{ name: "endpoints", extra: `per: [Endpoint, App]\n  ${lease}` },
    }),
    quotaYaml(
      [
        `{name: usd, resource: Cost, limit: "0.02", currency: USD, ${hour}, ${toMini}}`,
        "{name: running, resource: Concurrency, limit: 2}",
      ],
      { name: "money", extra: lease },
    ),
    quotaYaml(
      [
        `{name: rph, resource: Requests, limit: 2, ${hour}}`,
        `{name: in, resource: InputTokens, limit: 900, ${day("America/St_Johns")}}`,
      ],
      {
        ...{ name: "tried", extra: `mode: Audit\n  ${lease}` },
      },
    ),
    quotaYaml([`{name: out, resource: OutputTokens, limit: 17000, ${sliding("1h")}}`], {
      ...{
        name: "mini",
        extra: `when: "request.model == 'gpt-4o-mini'"\n  reservation: {lease: 1h, output: Requested}`,
      },
    }),
  ].join("");
};

/** A call; a long one runs until it is hung up. */
interface Call {
  readonly path: string;
  readonly body: object;
  readonly isLong: boolean;
}

/** Calls of several models, sizes and endpoints; some that nobody can bound, some that run long. */
const callOf = (random: () => number): Call => {
  const one = <Value>(...values: Value[]): Value => values[Math.floor(random() * values.length)] as Value;
  if (random() < 0.2)
    return { path: "embeddings", body: { model: "text-embedding-3-small", input: one("a", "b") }, isLong: false };
  const isLong = random() < 0.25;
  const more = {
    ...{ model: one("gpt-4o", "gpt-4o-mini"), user: isLong ? "fake:hang=headers" : `fake:tokens=${one(4, 40, 400)}` },
    ...one({}, { max_tokens: 20 }, { max_tokens: 200 }),
    ...one({}, {}, { n: 2 }),
    ...one({}, {}, {}, {}, { web_search_options: {} }),
  };
  return { path: "chat/completions", body: chat("word ".repeat(one(1, 20, 200)), more), isLong };
};

type AuditRecord = TestGateway["audit"]["records"][number];
/** Records by call, in the order in which the calls began. */
const byCall = ({ audit }: TestGateway): AuditRecord[][] =>
  Object.values(Object.groupBy(audit.records, ({ id }) => String(id))).map((each) => each ?? []);
const isEnded = (records: readonly AuditRecord[]): boolean => records.some(({ record }) => record === "outcome");

type Decision = "admitted" | "refused" | "downgraded";
const decisionIn = (records: readonly AuditRecord[]): Decision => {
  const intent = records.find(({ record }) => record === "intent");
  if (!intent) return "refused";
  return intent["downgradedFrom"] === undefined ? "admitted" : "downgraded";
};

/** Sends the same calls to both, one after another, while time goes on. */
async function drive(seed: number, clock: FakeClock, gateways: readonly TestGateway[]): Promise<void> {
  const random = randomFrom(seed);
  const hungUp: { readonly index: number; readonly control: AbortController }[] = [];
  const quiet = (count: number) =>
    until("all that was to end has ended, and is settled", async () => {
      for (const gateway of gateways) {
        const calls = byCall(gateway);
        const running = calls.filter((records) => !isEnded(records));
        const isWhole = calls.every(
          (records, index) => isEnded(records) || hungUp.some((long) => long.index === index),
        );
        if (calls.length < count || !isWhole || (await gateway.stores.quota.liveHolds("default")) > running.length)
          return false;
      }
      return true;
    });
  for (let index = 0; index < callsCount; index++) {
    const gaps = [1, second, 20 * second, 3 * minute, hungUp.length > 0 ? minute : 50 * minute];
    clock.advance(gaps[Math.floor(random() * gaps.length)] ?? 0);
    if (hungUp.length > 2 || random() < 0.2) {
      hungUp.shift()?.control.abort();
      await quiet(index);
      clock.advance(1); // two files tell no order within a millisecond
    }
    const { path, body, isLong } = callOf(random);
    const control = new AbortController();
    if (isLong) hungUp.push({ index, control });
    for (const { url } of gateways) {
      fetch(`${url}/v1/${path}`, {
        ...{ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
        signal: control.signal,
      })
        .then((answer) => answer.text())
        .catch(() => undefined); // hung up
    }
    await quiet(index + 1);
  }
  for (const { control } of hungUp.splice(0)) control.abort();
  await quiet(callsCount);
}

/** Units by limit that its calls were charged: `quota/limit`. */
const chargedBy = (gateway: TestGateway): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const records of byCall(gateway)) {
    const counters = records.findLast((record) => record["counters"] !== undefined)?.["counters"] as [string][];
    const charged = (records.at(-1)?.["charged"] ?? []) as number[];
    for (const [i, amount] of charged.entries()) {
      const [, limit = ""] = /default\/([a-z]+\/[a-z]+)\//.exec(counters[i]?.[0] ?? "") ?? [];
      sums[limit] = (sums[limit] ?? 0) + amount;
    }
  }
  return sums;
};

/** Replays, and tells what it decides of each call. */
async function replay(records: readonly AuditRecord[], yaml: string) {
  const files = ["a", "b"].map((name) => join(folder, name));
  const ids = [...new Set(records.map(({ id }) => id))];
  for (const [half, file] of files.entries()) {
    const own = records.filter(({ id }) => ids.indexOf(id) % 2 === half);
    writeFileSync(file, own.map((record) => `${JSON.stringify(record)}\n`).join(""));
  }
  const read = readResources([{ path: "test.yaml", text: yaml }]);
  const replayed = new Replay(read.quotas, read.routes);
  const { tally } = replayed;
  const decisions = new Map<string, Decision>();
  for await (const record of mergedRecords(files, nothingPassedOver())) {
    const { refused, downgraded } = tally;
    await replayed.take(record);
    if (record.kind !== "intent") continue;
    decisions.set(
      record.id,
      tally.refused > refused ? "refused" : tally.downgraded > downgraded ? "downgraded" : "admitted",
    );
  }
  const charged = [...tally.limits.values()].map((each) => [`${each.quota}/${each.limit.name}`, each.charged]);
  return { decisions: ids.map((id) => decisions.get(String(id))), charged: Object.fromEntries(charged), tally };
}

test.each([{ seed: 1 }, { seed: 2 }, { seed: 3 }])(
  "a replay decides and charges what a sidecar with these quotas does: calls of seed $seed",
  async ({ seed }) => {
    const clock = new FakeClock(startMs);
    let yaml = "";
    const open = await startTestGateway({ clock, caller: { app: "chat" } });
    const strict = await startTestGateway({
      clock,
      caller: { app: "chat" },
      yaml: (url) => {
        yaml = openRoute(url, { quotas: quotas() });
        return yaml;
      },
    });
    await drive(seed, clock, [open, strict]);
    const { decisions, charged, tally } = await replay(open.audit.records, yaml);
    const own = byCall(strict).map(decisionIn);
    expect(decisions).toEqual(own);
    expect(charged).toEqual(expect.objectContaining(chargedBy(strict)));
    expect(tally).toMatchObject({ replayed: callsCount, refusedThen: 0, withoutIntent: 0, notFollowed: 0 });
    const counts = Object.groupBy(own, (each) => each);
    expect(Math.min(counts.refused?.length ?? 0, counts.admitted?.length ?? 0), "both happened").toBeGreaterThan(5);
    await open.close();
    await strict.close();
  },
);
