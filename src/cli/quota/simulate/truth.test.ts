/** What would make a replay tell something else than a sidecar would have done. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { simulate } from "../simulate.ts";
import { type Call, every, file, history, limitOf, quotaText, requests, run, startMs } from "./history.rows.ts";

const hour = "{type: Fixed, duration: 1h}";
const cost = (usd: string) => `{name: c, resource: Cost, currency: USD, limit: "${usd}", window: ${hour}}`;
const tokens = (limit: number, resource = "TotalTokens") =>
  `{name: t, resource: ${resource}, limit: ${limit}, window: ${hour}}`;
const route = (rule: string, more = "") => `---
apiVersion: sidegate.dev/v1alpha1
kind: AIRoute
metadata: {name: chat, namespace: team}
spec:
  parentRefs: [{group: "", kind: ServiceAccount, name: bot}]
  backends: [{name: p, type: OpenAICompatible, endpoint: "http://127.0.0.1:9"}]
  rules: [{name: all, matches: [${rule}], backendRefs: [{name: p}]}]
  ${more}
`;

/** A call whose record tells what nobody can bound or price. */
const held = (facts: object): Partial<Call> => ({
  more: { heldTokens: { input: 10, output: 10, choices: 1, asked: true, unbounded: false, unpriced: false, ...facts } },
});

describe("what nobody can bound or price", () => {
  test.each([
    { name: "unbounded, under Cost", fact: { unbounded: true }, limit: cost("9"), refused: 3 },
    {
      name: "unbounded, under InputTokens",
      fact: { unbounded: true },
      limit: tokens(9_000, "InputTokens"),
      refused: 3,
    },
    {
      name: "unbounded, under OutputTokens",
      fact: { unbounded: true },
      limit: tokens(9_000, "OutputTokens"),
      refused: 0,
    },
    { name: "unpriced, under Cost", fact: { unpriced: true }, limit: cost("9"), refused: 3 },
    { name: "unpriced, under TotalTokens", fact: { unpriced: true }, limit: tokens(9_000), refused: 0 },
    { name: "both known, under Cost", fact: {}, limit: cost("9"), refused: 0 },
  ])("is refused as a sidecar refuses it: $name", async ({ fact, limit, refused }) => {
    const { all, remarks } = await limitOf(every(10, 3, held(fact)), quotaText(limit));
    expect(all).toMatchObject({ replayed: 3, refused });
    expect(remarks).toEqual(refused === 0 ? [] : ["3 refused for another reason: usage_unbounded (model gpt-4o)"]);
  });

  test("is not told by records of an earlier release, and the report says so where it matters", async () => {
    const { all, remarks } = await limitOf(every(10, 3), quotaText(cost("9")));
    expect(all.refused).toBe(0);
    expect(remarks).toEqual([expect.stringContaining("3 calls are of an earlier release, which does not tell what")]);
    expect((await limitOf(every(10, 3), quotaText(requests(9)))).remarks).toEqual([]);
    expect((await limitOf(every(10, 3), quotaText(cost("9"), "mode: Audit"))).remarks).toEqual([]);
  });
});

describe("onExceeded: Downgrade", () => {
  const toMini =
    "{name: r, resource: Requests, limit: 3, models: [gpt-4o], onExceeded: {action: Downgrade, model: gpt-4o-mini}, window: {type: Fixed, duration: 1h}}";

  test("sends on without the AIRoute as with it", async () => {
    const alone = await limitOf(every(10, 5), quotaText(toMini));
    const beside = await limitOf(
      every(10, 5),
      quotaText(toMini) + route("{models: [{value: gpt-4o}, {value: gpt-4o-mini}]}"),
    );
    for (const { all, limit } of [alone, beside]) {
      expect(all).toMatchObject({ refused: 0, downgraded: 2 });
      expect(limit).toMatchObject({ refused: 0, downgraded: 2 });
    }
    const uncounted = "2 calls are counted by none of these quotas";
    expect(alone.remarks).toEqual([expect.stringContaining("AIRoute team/chat is not among the files"), uncounted]);
    expect(beside.remarks).toEqual([uncounted]);
  });

  test("has the built-in price of the other model, where the AIRoute is not there", async () => {
    const { all } = await limitOf(every(10, 5), quotaText(`${toMini}, ${cost("9")}`));
    expect(all).toMatchObject({ refused: 0, downgraded: 2 });
  });

  test("stays refused where the AIRoute opens no such model, and the report says why", async () => {
    const { all, remarks } = await limitOf(every(10, 5), quotaText(toMini) + route("{models: [{value: gpt-4o}]}"));
    expect(all).toMatchObject({ refused: 2, downgraded: 0 });
    expect(remarks).toEqual([expect.stringContaining("no rule opens gpt-4o-mini")]);
  });
});

test.each([
  { name: "one that is over", until: "2026-05-02T00:00:00Z" },
  { name: "one that lasts", until: "2036-05-02T00:00:00Z" },
])("an override counts for no call of the past, and the report says so: $name", async ({ until }) => {
  const override = JSON.stringify([{ limit: "r", to: "1000", until, by: "ann", reason: "launch" }]);
  const annotated = quotaText(requests(3)).replace(
    "namespace: team}",
    `namespace: team, annotations: {sidegate.dev/override: '${override}'}}`,
  );
  const { all, limit, remarks } = await limitOf(every(10, 5), annotated);
  expect([all.refused, limit.fullest.limit]).toEqual([2, 3]);
  expect(remarks).toEqual([expect.stringContaining("team/trial is tried as its spec is written")]);
});

test.each([
  {
    name: "a condition of unknown names",
    quota: quotaText(requests(3), `when: "model == 'gpt'"`),
    says: "its condition",
  },
  {
    name: "no time zone",
    quota: quotaText(requests(3, "{type: Calendar, period: Day, timeZone: Europe/Nowhere}")),
    says: "no time zone",
  },
])("a quota that nobody could enforce is refused, before any call: $name", async ({ quota, says }) => {
  await expect(run(every(10, 3), quota)).rejects.toThrow(says);
  await expect(run([], quota)).rejects.toThrow("AIQuota team/trial: ");
});

test("what only these routes cannot do is told, and counted all the same", async () => {
  const quota = quotaText(requests(3), "per: [User]");
  const { all, remarks } = await limitOf(every(10, 5), quota + route("{models: [{value: gpt-4o}]}"));
  expect(all.refused).toBe(2);
  expect(remarks).toEqual([
    expect.stringContaining("cannot be enforced on AIRoute team/chat as it stands in the files"),
  ]);
  expect((await limitOf(every(10, 5), quota)).remarks).toEqual([]);
});

describe("answers from the cache", () => {
  const hits = (more: (i: number) => object) =>
    Array.from({ length: 4 }, (_, i) =>
      JSON.stringify({
        ...{ record: "outcome", time: new Date(startMs + (100 + i) * 1000).toISOString(), id: `h${i}`, status: 200 },
        ...{ route: "team/chat", rule: "all", identity: "team/bot", endpoint: "ChatCompletions", model: "gpt-4o" },
        ...{ outcome: "hit", streamed: true, ...more(i) },
      }),
    ).join("\n");
  const { heldTokens } = held({}).more as { heldTokens: object };

  test("are counted by their API key, pod and app, and by their conditions", async () => {
    const told = hits((i) => ({ heldTokens, clientKey: `k${i % 2}`, pod: `bot-${i}`, app: "chat" }));
    const byKey = await limitOf(told, quotaText(requests(2), "per: [ClientKey]"));
    expect(byKey.all).toMatchObject({ replayed: 4, refused: 0 });
    const byPod = await limitOf(told, quotaText(requests(1), "per: [Pod, App]"));
    expect([byPod.all.refused, byPod.remarks]).toEqual([0, []]);
    const streamed = await limitOf(
      told,
      quotaText(requests(1), `when: "request.streamed && identity.clientKey == 'k1'"`),
    );
    expect(streamed.all).toMatchObject({ refused: 1, uncounted: 2 });
  });

  test("are refused where what they would hold does not fit, and else charged no token", async () => {
    const told = `${history(every(10, 2))}${hits(() => ({ heldTokens }))}`;
    const spent = await limitOf(told, quotaText(tokens(40)));
    expect([spent.all.refused, spent.limit.charged]).toEqual([4, 40]);
    const room = await limitOf(told, quotaText(tokens(60)));
    expect([room.all.refused, room.limit.charged]).toEqual([0, 40]);
  });
});

describe("broken and forged lines", () => {
  const [intent = "", outcome = ""] = history(every(10, 1)).split("\n");
  const rows = [
    {
      name: "a bound beyond all",
      line: intent.replace('"input":10', '"input":9007199254740991'),
      says: "heldTokens.input is too large",
    },
    {
      name: "a time beyond calendars",
      line: intent.replace(/"time":"[^"]*"/, '"time":"+275760-09-13T00:00:00Z"'),
      says: "time is no time",
    },
    { name: "a pod that is no name", line: intent.replace('"user"', '"pod":"ä b","user"'), says: "pod is no name" },
    { name: "an id that is too long", line: intent.replace('"c0"', `"${"c".repeat(121)}"`), says: "id is none" },
  ];
  test.each(rows)("are named by their line and end nothing: $name", async ({ line, says }) => {
    const month = "{name: r, resource: Requests, limit: 9, window: {type: Calendar, period: Month}}";
    const quota = quotaText(`${month}, ${cost("9")}`, "per: [Pod]");
    const { all, lines, text } = await limitOf([intent, outcome, line].join("\n"), quota);
    expect([all.replayed, lines.bad]).toEqual([1, 1]);
    expect(text).toContain(`:3: ${says}`);
  });

  test("the largest bound that is read costs what the largest price says, and is refused", async () => {
    const large = intent.replace('"input":10', '"input":1000000000000000');
    const dear = route(
      "{models: [{value: gpt-4o}]}",
      'models: [{name: gpt-4o, pricing: {inputPerMTok: "8999999", outputPerMTok: "8999999"}}]',
    );
    expect((await limitOf(large, quotaText(`${cost("9")}, ${tokens(9)}`) + dear)).all).toMatchObject({
      replayed: 1,
      refused: 1,
    });
  });

  test("one id with two beginnings is the first of them", async () => {
    const other = intent.replace('"gpt-4o"', '"gpt-4o-mini"');
    const quota = quotaText(
      `${requests(9)}, {name: m, resource: Requests, limit: 9, models: [gpt-4o-mini], window: ${hour}}`,
    );
    const { all } = await limitOf([intent, other, outcome].join("\n"), quota);
    expect(all).toMatchObject({ replayed: 1, refused: 0, duplicates: 1 });
  });

  test("no member of a record ends a replay, whatever stands in it", async () => {
    const quota = quotaText(
      `${requests(9)}, ${cost("9")}, ${tokens(900)}, {name: p, resource: Concurrency, limit: 2}`,
      "per: [User, Tenant, ClientKey, Pod, App, Model, Endpoint, ServiceAccount]",
    );
    const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("-", "x".repeat(600), "ä:b", "\ud800"));
    const value = fc.oneof(text, fc.double(), fc.maxSafeInteger(), fc.jsonValue({ maxDepth: 1 }));
    const records = [intent, outcome].map((line) => JSON.parse(line) as { heldTokens?: object });
    const members = ["time", "id", "route", "rule", "identity", "user", "tenant", "clientKey", "pod", "app", "path"];
    const others = [
      "endpoint",
      "model",
      "downgradedFrom",
      "backend",
      "usage",
      "outcome",
      "status",
      "observedOutputTokens",
    ];
    const changed = fc.tuple(
      fc.constantFrom(...records),
      fc.dictionary(fc.constantFrom(...members, ...others), value, { maxKeys: 3 }),
      fc.dictionary(fc.constantFrom("input", "output", "outputExtra", "choices", "asked", "unbounded"), value, {
        maxKeys: 2,
      }),
      fc.nat(3),
    );
    const line = changed.map(([record, top, bounds, id]) =>
      JSON.stringify({
        ...record,
        id: `c${id}`,
        ...(record.heldTokens && { heldTokens: { ...record.heldTokens, ...bounds } }),
        ...top,
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 30 }), async (lines) => {
        const { passedOver } = await run(lines.join("\n"), quota);
        expect(passedOver.lineCount).toBe(lines.length);
      }),
      { numRuns: 60 },
    );
  });
});

test("P99 holds what was learned of all calls, those too that no quota counts", async () => {
  const seen = every(1, 210, { user: "bob", tokens: [10, 100, 10, 20] });
  const quota = quotaText(
    tokens(100, "OutputTokens"),
    `when: "identity.user == 'alice'"\n  reservation: {output: P99}`,
  );
  const { all } = await limitOf([...seen, { atS: 300, tokens: [10, 1_000, 10, 20] }], quota);
  expect(all).toMatchObject({ refused: 0, uncounted: 210 });
});

test("records that are told again count once, and the report says how many", async () => {
  const calls = every(10, 5);
  const [text, quota] = [history(calls), quotaText(requests(3))];
  const once = await limitOf(text, quota);
  const again = await limitOf(text + text, quota);
  expect(again.limit).toEqual(once.limit);
  expect(again.all).toEqual({ ...once.all, duplicates: 10 });
  expect(again.remarks).toEqual([expect.stringContaining("10 records stand there twice")]);
  const [one, other] = [file(text), file(text)];
  const { tally } = await simulate({ from: [one, other], files: [file(quota)] });
  expect([tally.replayed, tally.refused, tally.duplicates]).toEqual([5, 2, 10]);
  const late = await limitOf(text + text.split("\n")[0], quota);
  expect([late.limit.charged, late.all.outOfOrder]).toEqual([3, 0]);
});
