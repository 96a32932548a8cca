import { expect, test } from "vitest";
import { quotaEntryOf } from "../../operator/cluster/projections.ts";
import { type Sorting, topView } from "./rows.ts";
import { Screen } from "./screen.ts";
import { headLine, tableLines, viewJson } from "./table.ts";

const nowMs = Date.parse("2026-05-01T12:00:00Z");
const observedAt = "2026-05-01T11:59:57Z";

const quota = (name: string, spec: object, usage: readonly object[], annotations = {}) =>
  quotaEntryOf({
    apiVersion: "sidegate.dev/v1alpha1",
    kind: "AIQuota",
    metadata: { name, namespace: "team", annotations },
    spec: { targetRefs: [{ group: "", kind: "Namespace", name: "team" }], ...spec },
    status: { usage },
  });

const budget = quota(
  "budget",
  {
    limits: [
      {
        ...{ name: "month", resource: "Cost", currency: "USD", limit: "500.00" },
        window: { type: "Calendar", period: "Month" },
      },
    ],
  },
  [
    {
      ...{ limit: "month", subject: "", used: "412.50", reserved: "0.75", remaining: "86.75", observedAt },
      resetsAt: "2026-06-01T00:00:00Z",
    },
  ],
);
const rates = quota(
  "rates",
  {
    per: ["User"],
    mode: "Audit",
    limits: [
      { name: "minute", resource: "Requests", limit: 60, burst: 20, window: { type: "Sliding", duration: "1m" } },
      { name: "running", resource: "Concurrency", limit: 4 },
    ],
  },
  [
    {
      ...{ limit: "minute", subject: "user=alice", used: "79", reserved: "1", observedAt },
      resetsAt: "2026-05-01T12:00:30Z",
    },
    { limit: "minute", subject: "user=\u001b[31mbob", used: "3", reserved: "0", observedAt, resetsAt: observedAt },
  ],
);

const lines = (sorting: Sorting = "ratio", entries = [budget, rates]): readonly string[] =>
  tableLines(topView(entries, sorting, nowMs), { nowMs, withNamespace: false });

test("the fullest counter stands first, with what is left and when it resets", () => {
  expect(lines()).toEqual([
    "QUOTA   LIMIT    SUBJECT               USED  HELD  REMAINING      OF  FULL  RESETS",
    "rates   minute   user=alice              79     1          0      80  100%  in 30s (audit)",
    "budget  month    (all)               412.50  0.75      86.75  500.00   82%  in 30d 12h",
    "rates   minute   user=\\u{1b}[31mbob       3     0         77      80    3%  now (audit)",
    "rates   running  -                        -     -          -       4     -  - (audit)",
  ]);
});

test.each([
  { sorting: "used" as const, first: ["budget", "rates", "rates", "rates"] },
  { sorting: "name" as const, first: ["budget", "rates", "rates", "rates"] },
])("by $sorting", ({ sorting, first }) => {
  expect(topView([rates, budget], sorting, nowMs).rows.map((row) => row.quota)).toEqual(first);
});

test("an override that counts now is what the counter is compared with", () => {
  const entry = (until: string) => [{ limit: "month", to: "1000", until, by: "alice", reason: "month end" }];
  const overridden = (until: string) => {
    const annotations = { "sidegate.dev/override": JSON.stringify(entry(until)) };
    const { metadata, resource, status } = budget;
    return quota(metadata.name, resource?.spec ?? {}, (status as { usage: object[] }).usage, annotations);
  };
  expect(lines("ratio", [overridden("2026-05-01T14:00:00Z")])[1]).toBe(
    "budget  month  (all)    412.50  0.75     586.75  1000.00   41%  in 30d 12h (override)",
  );
  expect(lines("ratio", [overridden("2026-05-01T11:00:00Z")])[1]).toContain(" 500.00   82%");
});

test("what cannot be read is told, and the head counts", () => {
  const broken = quota("broken", { limits: [] }, []);
  const view = topView([budget, broken], "ratio", nowMs);
  expect(view.remarks).toEqual(["AIQuota team/broken cannot be read; kubectl describe aiq says why"]);
  expect(headLine(view, nowMs)).toBe("2026-05-01T12:00:00Z  1 quota, 1 counter, last change 3s ago");
});

test("scripts get numbers as texts, and null where nothing was read", () => {
  const { counters } = JSON.parse(viewJson(topView([budget, rates], "ratio", nowMs), nowMs));
  expect(counters[1]).toEqual({
    ...{ namespace: "team", quota: "budget", mode: "Enforce", limit: "month", resource: "Cost", subject: "" },
    ...{ max: "500.00", isOverridden: false, used: "412.50", held: "0.75", remaining: "86.75", ratio: 0.8265 },
    ...{ resetsAt: "2026-06-01T00:00:00.000Z", observedAt: "2026-05-01T11:59:57.000Z" },
  });
  expect(counters[3]).toMatchObject({ used: null, ratio: null, resetsAt: null });
});

test("a terminal that does not know its size has the usual one", () => {
  const written: string[] = [];
  new Screen({ write: (text) => written.push(text), columns: 0, rows: 0 }).draw(["a line"], 1);
  expect(written.join("")).toContain("a line");
});

test("a frame is one write that erases nothing before it is drawn, and the terminal comes back", () => {
  const written: string[] = [];
  const screen = new Screen({ write: (text) => written.push(text), columns: 8, rows: 3 });
  screen.draw(["head", "TITLES", "a line too long", "b"], 1);
  screen.draw(["head", "TITLES"], 1);
  screen.close();
  screen.close();
  expect(written).toEqual([
    "\u001b[?1049h\u001b[?25l\u001b[?2026h\u001b[Hhead\u001b[K\r\n\u001b[1mTITLES\u001b[0m\u001b[K\r\nand 2 …\u001b[K\u001b[J\u001b[?2026l",
    "\u001b[?2026h\u001b[Hhead\u001b[K\r\n\u001b[1mTITLES\u001b[0m\u001b[K\u001b[J\u001b[?2026l",
    "\u001b[?25h\u001b[?1049l",
  ]);
  expect(written.join("")).not.toContain("\u001b[2J");
});
