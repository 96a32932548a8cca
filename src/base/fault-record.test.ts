import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { faultRecord } from "./fault-record.ts";
import { createLog } from "./log.ts";

const thrownBy = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (fault) {
    return fault;
  }
};
const named = (name: string, fault: Error): Error => Object.assign(fault, { name });

const rows: readonly { name: string; fault: () => unknown; keeps?: string }[] = [
  { name: "JSON.parse with its text", fault: () => thrownBy(() => JSON.parse("canary 'and' \"more\" canary")) },
  {
    name: "Node with a value",
    fault: () => thrownBy(() => Buffer.alloc("canary" as unknown as number)),
    keeps: "ERR_INVALID_ARG_TYPE",
  },
  { name: "Node with a URL", fault: () => thrownBy(() => new URL("canary")), keeps: "ERR_INVALID_URL" },
  {
    name: "ioredis with a command",
    fault: () =>
      Object.assign(named("ReplyError", new Error("ERR args beginning with: canary")), {
        command: { args: ["canary"] },
      }),
    keeps: "ERR",
  },
  {
    name: "a library with its input",
    fault: () => Object.assign(new TypeError("bad input"), { input: "canary" }),
    keeps: "bad input",
  },
  {
    name: "a cause with its input",
    fault: () => new Error("outer", { cause: Object.assign(new Error("inner"), { body: "canary" }) }),
    keeps: "inner",
  },
  {
    name: "several errors",
    fault: () => new AggregateError([new Error("first 'canary'"), "canary"], "all"),
    keeps: "first …",
  },
  {
    name: "a message with lines that look like a stack",
    fault: () => new Error("bad 'text\n at canary (x)'"),
    keeps: "bad …",
  },
  { name: "a code that is no code", fault: () => Object.assign(new Error("x"), { code: "canary 1" }) },
  {
    name: "the system with a path",
    fault: () => thrownBy(() => readFileSync("/nonexistent/config")),
    keeps: "open '/nonexistent/config'",
  },
  { name: "a text", fault: () => "canary" },
  { name: "nothing", fault: () => undefined },
];

describe("what is logged of an error", () => {
  test.each(rows)("of $name holds nothing that it was given", ({ fault, keeps = "" }) => {
    const lines: string[] = [];
    const log = createLog({ name: "test", level: "info", destination: { write: (line) => void lines.push(line) } });
    log.error({ err: fault() }, "failed");
    expect(lines.join("")).not.toContain("canary");
    expect(lines.join("")).toContain(keeps);
    expect(JSON.stringify(faultRecord(fault()))).not.toContain("canary");
  });

  test("says where it was thrown", () => {
    expect(faultRecord(new Error("x")).at[0]).toMatch(/^at .*fault-record\.test\.ts:\d+:\d+/);
  });

  test("ends, however long the chain of causes is", () => {
    const fault = new Error("round");
    fault.cause = fault;
    expect(JSON.stringify(faultRecord(fault)).length).toBeLessThan(20_000);
  });
});
