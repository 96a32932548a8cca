import fc from "fast-check";
import { expect, test } from "vitest";
import type { KubeFault, WatchEvent } from "./port.ts";
import { WatchStream } from "./watch-stream.ts";

const about = { what: "watch pods", isSecret: false };
const line = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`;
const pod = (name: string) => ({ metadata: { name, resourceVersion: "5" } });

const read = (chunks: readonly Uint8Array[], of = about): WatchEvent[] => {
  const events: WatchEvent[] = [];
  const stream = new WatchStream(of, (event) => events.push(event));
  for (const chunk of chunks) stream.push(Buffer.from(chunk));
  stream.end();
  return events;
};

const faultOf = (run: () => unknown): KubeFault => {
  try {
    run();
  } catch (fault) {
    return fault as KubeFault; // the tests look at its members
  }
  throw new Error("nothing was thrown");
};

test("events are the same however their bytes are cut, also inside a character", () => {
  const events = [
    { type: "ADDED", object: pod("zwölf-🦊") },
    { type: "BOOKMARK", object: pod("") },
    { type: "DELETED", object: pod("b") },
  ];
  const bytes = Buffer.from(events.map(({ type, object }) => line(type, object)).join("\n"));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 12 }), (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const chunks = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
      expect(read(chunks)).toEqual(events);
    }),
  );
});

test.each([
  {
    name: "a stream that ends inside an event",
    text: line("ADDED", pod("a")).slice(0, -10),
    says: "ended inside an event",
  },
  { name: "a line that is no JSON", text: '{"type":"ADDED","obj\n', says: "an event is not JSON" },
  { name: "an event without an object", text: '{"type":"ADDED"}\n', says: "an event has no object" },
  { name: "an object without metadata", text: line("ADDED", { spec: {} }), says: "an event has no object" },
  { name: "a type that nobody knows", text: line("RENAMED", pod("a")), says: "an event has no object" },
  { name: "null", text: "null\n", says: "an event has no object" },
])("$name is a fault of the connection and quotes nothing", ({ text, says }) => {
  const fault = faultOf(() => read([Buffer.from(text)]));
  expect([fault.name, fault.status]).toEqual(["KubeFault", 0]);
  expect(fault.message).toMatch(new RegExp(`^watch pods: [a-z ]*${says}`));
  expect(fault.message).not.toContain("ADDED");
});

test("an ERROR event is a fault with the status and reason that it carries", () => {
  const status = { kind: "Status", code: 410, reason: "Expired", message: "too old resource version: 1 (9)" };
  const fault = faultOf(() => read([Buffer.from(line("ERROR", status))]));
  expect([fault.status, fault.reason]).toEqual([410, "Expired"]);
  expect(fault.message).toBe("watch pods: 410 Expired: too old resource version: 1 (9)");
});

test("an event without an end is refused instead of being gathered for ever", () => {
  const stream = new WatchStream(about, () => undefined);
  const chunk = Buffer.alloc(8 * 1_048_576, 97);
  expect(() => {
    for (let i = 0; i < 5; i++) stream.push(chunk);
  }).toThrow(/more than 33554432 bytes/);
});
