import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Claim } from "../../ports/quota-store.ts";
import { ClaimWords } from "./claim-words.ts";
import { luaSources } from "./scripts.generated.ts";
import * as calls from "./scripts.ts";
import { type ScriptCall, type ScriptName, signatures } from "./scripts.ts";
import type { Words } from "./words.ts";

const folder = new URL("./lua/", import.meta.url);
const files = readdirSync(folder).filter((file) => file.endsWith(".lua"));
const names = files.map((file) => file.slice(0, -".lua".length)) as ScriptName[]; // the first test says that they are

/** The scripts as a module: a bundle is one file and has no lua/ beside it. */
const embedded = (): string => {
  const entries = names.map((name) => {
    const text = readFileSync(new URL(`${name}.lua`, folder), "utf8");
    return `  ${name}: String.raw\`${text}\`,\n`;
  });
  return `/** Generated from lua/*.lua by \`vitest run src/sidecar/stores/redis/scripts.test.ts -u\`: change those. */\nexport const luaSources = {\n${entries.join("")}} as const;\n`;
};

/** `KEYS[1] hold record   KEYS[2..] others (unit), remark` as `hold record, others..`. */
const declared = (header: string, table: "KEYS" | "ARGV"): string =>
  [...header.matchAll(new RegExp(`${table}\\[(\\d+)(\\.\\.)?\\] ([a-z ]+?)(?= {3}|,| \\(|$)`, "gm"))]
    .map(([, , repeats, what], index, all) => {
      expect(Number(all[index]?.[1])).toBe(index + 1);
      return `${what}${repeats ?? ""}`;
    })
    .join(", ");

const headerOf = (text: string): string => text.slice(0, text.search(/^(?!--|#!)/m));

test("the embedded scripts are the files", async () => {
  expect(names.toSorted()).toEqual(Object.keys(signatures).toSorted());
  for (const name of names) expect(readFileSync(new URL(`${name}.lua`, folder), "utf8")).not.toMatch(/`|\$\{|[^\n -~]/); // cmd/build.ts escapes what is no ASCII
  await expect(embedded()).toMatchFileSnapshot("./scripts.generated.ts");
});

test.each(Object.keys(luaSources) as ScriptName[])("%s.lua says in its header what the wrapper passes", (name) => {
  const header = headerOf(luaSources[name]);
  expect(header).toContain("RETURNS");
  expect({ keys: declared(header, "KEYS"), args: declared(header, "ARGV") }).toEqual(signatures[name]);
});

test.each(Object.keys(luaSources) as ScriptName[])(
  "%s.lua reads every declared key and argument and no other",
  (name) => {
    const body = luaSources[name].slice(headerOf(luaSources[name]).length);
    for (const [table, list] of [
      ["KEYS", signatures[name].keys],
      ["ARGV", signatures[name].args],
    ] as const) {
      const parts = list.split(", ");
      const repeats = parts.at(-1)?.endsWith("..") === true;
      const read = new Set(
        [...body.matchAll(new RegExp(`${table}\\[(\\d+)\\]`, "g"))].map(([, index]) => Number(index)),
      );
      const single = repeats ? parts.length - 1 : parts.length;
      expect([...read].toSorted()).toEqual(Array.from({ length: single }, (_, index) => index + 1));
      // A repeated part is read by a computed index, or in a loop over the whole table.
      expect(new RegExp(`${table}\\[[a-z][^\\]]*\\]|ipairs\\(${table}\\)`).test(body)).toBe(repeats);
    }
  },
);

const claim = {
  counter: "q/l/s",
  window: { type: "Sliding", durationMs: 60_000 },
  max: 5,
  amount: 1,
  enforced: true,
} as const;
const samples: readonly ScriptCall[] = [
  calls.reserveCall({ namespace: "n", holdId: "h", leaseMs: 1, claims: [claim, { ...claim, counter: "other" }] }),
  calls.settleCall({ namespace: "n", holdId: "h", amounts: [1, 2] }),
  calls.releaseCall({ namespace: "n", holdId: "h", lateMs: 0 }),
  calls.trimCall("n", [
    { holdId: "a", amounts: [1, 2] },
    { holdId: "b", amounts: [3] },
  ]),
  calls.renewCall("n", ["a", "b"], 1),
  calls.markCall({ namespace: "n", leg: "Namespace", instance: "i" }, 1),
  calls.peekCall("n", "c", { type: "Fixed", durationMs: 1 }),
  calls.liveHoldsCall("n"),
];

/** The words that Redis will see. */
const textsOf = ({ count, text }: Words): string[] => {
  const texts: string[] = [];
  for (let at = 0; at < text.length; ) {
    const [head = "", length] = /^\$(\d+)\r\n/.exec(text.slice(at)) ?? [];
    expect(head).not.toBe("");
    const from = at + head.length;
    at = from + Number(length) + 2;
    texts.push(text.slice(from, at - 2));
    expect(text.slice(at - 2, at)).toBe("\r\n");
  }
  expect(texts).toHaveLength(count);
  return texts;
};

test.each(samples)("the call of $script passes as many keys and arguments as declared, all in one slot", (call) => {
  for (const [words, list] of [
    [textsOf(call.keys), signatures[call.script].keys],
    [textsOf(call.args), signatures[call.script].args],
  ] as const) {
    const parts = list.split(", ");
    if (list.endsWith("..")) expect(words.length).toBeGreaterThanOrEqual(parts.length);
    else expect(words).toHaveLength(parts.length);
  }
  for (const key of textsOf(call.keys)) expect(key).toMatch(/^sg:\{n\}:/);
});

test("a claim is passed as six words, whether its counter was seen before or not", () => {
  const claims = new ClaimWords();
  const argsOf = (...asked: readonly Partial<Claim>[]) =>
    textsOf(
      calls.reserveCall(
        { namespace: "n", holdId: "h", leaseMs: 1, claims: asked.map((each) => ({ ...claim, ...each })) },
        "Namespace",
        claims,
      ).args,
    ).slice(4);
  const words = ["sliding", "3750", "5", "1", "1", "0"];
  expect(argsOf({}, { counter: "other" })).toEqual([...words, ...words]);
  expect(argsOf({})).toEqual(words);
  expect(argsOf({ amount: 7, perOutput: 0.6 })).toEqual(["sliding", "3750", "5", "1", "7", "0.6"]);
  expect(argsOf({ max: 6, enforced: false })).toEqual(["sliding", "3750", "6", "0", "1", "0"]);
  expect(argsOf({ window: { type: "Fixed", durationMs: 9 } })).toEqual(["fixed", "9", "5", "1", "1", "0"]);
  expect(() => argsOf({ counter: "a b" })).toThrow("a counter has");
});
