import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { simulate, simulateOptions } from "../simulate.ts";
import { every, file, folder, history, limitOf, quotaText, requests, run } from "./history.rows.ts";
import { linesOf } from "./lines.ts";

test("refusals are told with whom, how many, and when it was exhausted first", async () => {
  const calls = [...every(10, 5), ...every(10, 3, { user: "bob" })];
  const { limit, all, text } = await limitOf(calls, quotaText(requests(3), "per: [User]"));
  expect(all).toMatchObject({ replayed: 8, refused: 2 });
  expect(limit).toMatchObject({
    ...{ counted: 8, refused: 2, charged: 6, refusedBySubject: { "user=alice": 2 } },
    exhaustedFirst: { at: "2026-05-01T10:00:30.000Z", subject: "user=alice" },
    fullest: { used: 3, limit: 3, at: "2026-05-01T10:00:20.000Z" },
  });
  expect(text).toContain("2 would have been refused (25.0 %)");
  expect(text).toContain("exhausted first  2026-05-01T10:00:30Z, user=alice");
});

test("windows follow the records' time", async () => {
  const sliding = await limitOf(every(20, 30), quotaText(requests(4, "{type: Sliding, duration: 1m}")));
  expect(sliding.limit.refused, "3 a minute and one slot").toBe(0);
  const hours = await limitOf(every(1800, 6), quotaText(requests(1)));
  expect([hours.limit.refused, hours.limit.charged]).toEqual([3, 3]);
});

test("tokens are held while a call runs, and settled at what it used", async () => {
  const tokens = "{name: t, resource: TotalTokens, limit: 1000, window: {type: Fixed, duration: 1h}}";
  const big = { tokens: [100, 400, 80, 20] } as const;
  expect((await limitOf(every(10, 9, big), quotaText(tokens))).limit).toMatchObject({ refused: 3, charged: 600 });
  const atOnce = every(0, 3, { ...big, durationS: 5 });
  expect((await limitOf(atOnce, quotaText(tokens))).limit).toMatchObject({ refused: 1, charged: 200 });
});

test("without a maximum of the client an answer is cut to what there is room for", async () => {
  const tokens = "{name: t, resource: TotalTokens, limit: 150, window: {type: Fixed, duration: 1h}}";
  const open = { tokens: [50, 16_000, 50, 500], asked: false } as const;
  const { all, limit } = await limitOf(every(10, 2, open), quotaText(tokens));
  expect(all).toMatchObject({ refused: 1, cutShort: 1 });
  expect(limit.charged).toBe(150);
  const { all: asked } = await limitOf(every(10, 2, { ...open, asked: true }), quotaText(tokens));
  expect(asked).toMatchObject({ refused: 2, cutShort: 0 });
});

test("cost is by the built-in prices, or by those of the route", async () => {
  const cost = '{name: c, resource: Cost, currency: USD, limit: "0.10", window: {type: Calendar, period: Day}}';
  const calls = every(10, 4, { tokens: [10_000, 1_000, 10_000, 1_000] });
  const builtin = await limitOf(calls, quotaText(cost));
  expect(builtin.limit).toMatchObject({ refused: 2, charged: "0.07" }); // 10,000 x 2.50 + 1,000 x 10 a million
  const route = `---
apiVersion: sidegate.dev/v1alpha1
kind: AIRoute
metadata: {name: chat, namespace: team}
spec:
  parentRefs: [{group: "", kind: ServiceAccount, name: bot}]
  backends: [{name: p, type: OpenAICompatible, endpoint: "http://127.0.0.1:9"}]
  models: [{name: gpt-4o, pricing: {inputPerMTok: "1", outputPerMTok: "2"}}]
  rules: [{name: all, matches: [{models: [{value: gpt-4o}]}], backendRefs: [{name: p}]}]
`;
  expect((await limitOf(calls, quotaText(cost) + route)).limit).toMatchObject({ refused: 0, charged: "0.048" });
  const unknown = await limitOf(every(10, 2, { model: "mystery" }), quotaText(cost));
  expect([unknown.all.refused, unknown.remarks[0]]).toEqual([
    2,
    expect.stringContaining("price_unknown (model mystery)"),
  ]);
});

test("places are given back when calls end", async () => {
  const running = "{name: p, resource: Concurrency, limit: 2}";
  const calls = every(1, 6, { durationS: 2.5 });
  expect((await limitOf(calls, quotaText(running))).limit).toMatchObject({ refused: 2, fullest: { used: 2 } });
});

test("in mode Audit nothing is refused, and told all the same", async () => {
  const { all, limit, text } = await limitOf(every(10, 5), quotaText(requests(3), "mode: Audit"));
  expect([all.refused, limit.refused, limit.charged]).toEqual([0, 2, 5]);
  expect(text).toContain("would refuse in mode Enforce  2 (40.0 %)");
});

test("bad lines are counted and named, logs between the records are passed over, nothing ends", async () => {
  const good = history(every(10, 2)).split("\n");
  const lines = [
    good[0],
    "not json",
    '{"level":30,"msg":"listening"}',
    '{"record":"intent","time":"2026-05-01T10:00:00Z","id":"x"}',
    good[1],
    "x".repeat(1_100_000),
    ...good.slice(2),
    good[0]?.slice(0, 80),
  ];
  const { all, lines: read, text } = await limitOf(lines.join("\n"), quotaText(requests(9)));
  expect([all.replayed, read.bad, read.other]).toEqual([2, 4, 2]);
  for (const told of [
    ":2: is no JSON",
    ":4: endpoint is none that this release knows",
    ":6: is too long",
    ":10: is no JSON",
  ])
    expect(text.includes(told), `${told} in ${text}`).toBe(true);
});

test("files of several pods are read side by side, by time", async () => {
  const all = history(every(10, 6)).trimEnd().split("\n");
  const halves = [0, 1].map((rest) =>
    file(all.filter((line) => Number(/"id":"c(\d)/.exec(line)?.[1]) % 2 === rest).join("\n")),
  );
  const { tally } = await simulate({ from: halves, files: [file(quotaText(requests(4)))] });
  expect([tally.replayed, tally.refused, tally.outOfOrder]).toEqual([6, 2, 0]);
});

test("what the records do not tell is said", async () => {
  const hit = JSON.stringify({
    ...{
      record: "outcome",
      time: "2026-05-01T10:10:00Z",
      id: "h",
      route: "team/chat",
      rule: "all",
      identity: "team/bot",
    },
    ...{ endpoint: "ChatCompletions", model: "gpt-4o", outcome: "hit", status: 200 },
  });
  const refused = hit.replace('"hit"', '"refused"').replace('"h"', '"r"');
  const late = hit.replace("10:10:00", "09:00:00").replace('"h"', '"l"');
  const text = `${history([...every(10, 2), { atS: 50, withoutOutcome: true }])}${hit}\n${refused}\n${late}\n`;
  const quota = quotaText(
    requests(9),
    `{per: [Group, ClientKey], when: "request.sourceIP != ''"}`.slice(1, -1).replace(", when", "\n  when"),
  );
  const { all, limit, remarks } = await limitOf(text, quota);
  expect(all).toMatchObject({ replayed: 5, refusedThen: 1, outOfOrder: 1 });
  expect(limit.charged, "four have ended").toBe(4);
  expect(remarks).toEqual([
    expect.stringContaining("counts by Group, ClientKey, which the records do not tell"),
    expect.stringContaining("asks for sourceIP"),
    expect.stringContaining("2 answers from the cache are of an earlier release"),
    expect.stringContaining("1 calls were refused at the time"),
    expect.stringContaining("1 calls have no outcome"),
    expect.stringContaining("sort -t"),
  ]);
  const elsewhere = await limitOf(every(1, 1), quotaText(requests(1)).replaceAll("team", "other"));
  expect(elsewhere.remarks[0]).toBe(
    "AIQuota other/trial counts none of the calls: are its namespace and targets right? The calls are of team",
  );
});

test("a Leased quota is replayed as Exact, and the report says so", async () => {
  const { limit, remarks } = await limitOf(every(1, 10), quotaText(requests(9), "precision: Leased"));
  expect(limit.refused).toBe(1);
  expect(remarks).toEqual([expect.stringContaining("team/trial is Leased, and replayed as Exact")]);
});

test("lines of any length and number are read in little memory", async () => {
  const path = file("");
  const line = `${"y".repeat(1023)}\n`;
  writeFileSync(path, line.repeat(65_536)); // 64 MiB
  const before = process.memoryUsage().heapUsed + process.memoryUsage().external;
  let [count, mostBytes] = [0, 0];
  for await (const { number } of linesOf(path)) {
    count = number;
    if (number % 8192 === 0) mostBytes = Math.max(mostBytes, process.memoryUsage().external);
  }
  expect(count).toBe(65_536);
  expect(mostBytes - before).toBeLessThan(16 * 1024 * 1024);
});

test.each([
  { args: [], says: "--from: name a file" },
  { args: ["--from", "a"], says: "-f: name a file" },
  { args: ["--from", "-", "-f", "-"], says: "stdin can be read once" },
])("the command line is refused: $args", ({ args, says }) => {
  expect(() => simulateOptions(args)).toThrow(says);
});

test("a file that is not there, and resources with faults, are told", async () => {
  await expect(simulate({ from: [join(folder, "none")], files: [file(quotaText(requests(1)))] })).rejects.toThrow(
    "ENOENT",
  );
  await expect(run([], quotaText("{name: r}"))).rejects.toThrow("sidegate validate");
  const zone = "{type: Calendar, period: Day, timeZone: Europe/Nowhere}";
  await expect(run(every(1, 1), quotaText(requests(1, zone)))).rejects.toThrow("Europe/Nowhere is no time zone");
});
