/** Histories for the tests of the replay. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { simulate } from "../simulate.ts";
import { simulatedJson, simulatedText } from "./report.ts";

/** Where the files are; gone after the tests. */
export const folder = mkdtempSync(join(tmpdir(), "sidegate-simulate-"));
afterAll(() => rmSync(folder, { recursive: true }));

let serial = 0;
/** Writes a file; answers its path. */
export const file = (text: string): string => {
  serial += 1;
  const path = join(folder, `f${serial}`);
  writeFileSync(path, text);
  return path;
};

/** Of the first call, ms since the epoch. */
export const startMs = Date.parse("2026-05-01T10:00:00Z");
/** A call as a test tells it. */
export interface Call {
  readonly atS: number;
  readonly user?: string;
  readonly model?: string;
  /** Held, and used. */
  readonly tokens?: readonly [input: number, output: number, usedInput: number, usedOutput: number];
  readonly asked?: boolean;
  readonly durationS?: number;
  readonly withoutOutcome?: boolean;
  readonly more?: object;
}

/** Intent and outcome of a call. */
const records = (call: Call, id: string): { readonly atMs: number; readonly line: string }[] => {
  const { atS, user = "alice", model = "gpt-4o", durationS = 1, asked = true, withoutOutcome, more } = call;
  const [input, output, usedInput, usedOutput] = call.tokens ?? [10, 10, 10, 10];
  const common = {
    ...{ id, instance: "i", route: "team/chat", rule: "all", identity: "team/bot", user },
    ...{ endpoint: "ChatCompletions", model },
  };
  const line = (record: string, atMs: number, rest: object) => ({
    atMs,
    line: JSON.stringify({ record, time: new Date(atMs).toISOString(), ...common, ...rest }),
  });
  const atMs = startMs + atS * 1000;
  const heldTokens = { input, output, choices: 1, asked };
  const usage = { inputTokens: usedInput, cachedInputTokens: 0, outputTokens: usedOutput };
  return [
    line("intent", atMs, { method: "POST", path: "/chat/completions", streamed: false, heldTokens, ...more }),
    ...(withoutOutcome ? [] : [line("outcome", atMs + durationS * 1000, { outcome: "completed", status: 200, usage })]),
  ];
};

/** The records of calls, by time: a file. */
export const history = (calls: readonly Call[]): string =>
  calls
    .flatMap((call, i) => records(call, `c${i}`))
    .toSorted((a, b) => a.atMs - b.atMs)
    .map(({ line }) => `${line}\n`)
    .join("");

/** An AIQuota over the namespace of the calls. */
export const quotaText = (limits: string, more = ""): string => `
apiVersion: sidegate.dev/v1alpha1
kind: AIQuota
metadata: {name: trial, namespace: team}
spec:
  targetRefs: [{group: "", kind: Namespace, name: team}]
  ${more}
  limits: [${limits}]
`;
/** Replays calls, or the text of a file. */
export const run = (calls: readonly Call[] | string, quota: string) =>
  simulate({ from: [file(typeof calls === "string" ? calls : history(calls))], files: [file(quota)] });
/** The same, as it is told: the first limit, and what is said of all. */
export const limitOf = async (calls: readonly Call[] | string, quota: string) => {
  const simulated = await run(calls, quota);
  const { limits, calls: all, remarks, lines } = JSON.parse(simulatedJson(simulated));
  return { limit: limits[0], all, remarks, lines, text: simulatedText(simulated) };
};
/** A limit of so many requests. */
export const requests = (limit: number, window = "{type: Fixed, duration: 1h}") =>
  `{name: r, resource: Requests, limit: ${limit}, window: ${window}}`;
/** As many calls, so many seconds apart. */
export const every = (seconds: number, count: number, call: Partial<Call> = {}): Call[] =>
  Array.from({ length: count }, (_, i) => ({ atS: i * seconds, ...call }));
