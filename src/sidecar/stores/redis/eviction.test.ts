import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../../base/log.ts";
import { EvictionWatch } from "./eviction.ts";

/** What each node answers; an error: that it throws. */
let answers: (string | Error)[];
let watch: EvictionWatch;
beforeEach(() => {
  const masters = () =>
    answers.map((answer) => ({
      info: async () => {
        if (answer instanceof Error) throw answer;
        return `# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:${answer}\r\n`;
      },
    }));
  watch = new EvictionWatch({ masters, log: silentLog() });
});
afterEach(() => watch.close());

const look = async (...told: (string | Error)[]): Promise<string | undefined> => {
  answers = told;
  watch.check();
  await watch.checked();
  return watch.policy;
};
const late = new Error("timeout");
const forbidden = Object.assign(new Error("NOPERM no permissions"), { name: "ReplyError" });

test("one node that evicts is enough, whatever the others say or do not say", async () => {
  expect(await look("noeviction", "allkeys-lru")).toBe("allkeys-lru");
  expect(await look("noeviction", "noeviction")).toBeUndefined();
  expect(await look(late, "volatile-ttl")).toBe("volatile-ttl");
});

test("what was seen stands until every node has answered again", async () => {
  await look("allkeys-lru", "noeviction");
  expect(await look(late, "noeviction")).toBe("allkeys-lru");
  expect(await look("noeviction", late)).toBe("allkeys-lru");
  expect(await look()).toBe("allkeys-lru");
  expect(await look("noeviction", "noeviction")).toBeUndefined();
  expect(await look("noeviction", late)).toBeUndefined();
});

test("a server that refuses to tell is not taken for the one before it", async () => {
  await look("allkeys-lru");
  expect(await look(forbidden)).toBeUndefined();
});
