import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eventFields } from "./event-fields.ts";
import { EventTooLarge, SseSplitter } from "./sse.ts";

/** What a stream looked like through a splitter. */
interface Seen {
  readonly forwarded: string;
  readonly events: { name: string | undefined; data: string | undefined }[];
}

/** Pushes the pieces, then flushes. `keep` is the observer's verdict by the data of the event. */
function split(pieces: readonly Buffer[], keep: (data: string) => boolean = () => true): Seen {
  const events: Seen["events"] = [];
  const splitter = new SseSplitter({
    event(bytes, start, end) {
      const fields = eventFields(bytes, start, end);
      events.push({ name: fields.name, data: fields.hasData ? fields.data : undefined });
      return keep(fields.data);
    },
  });
  const out = pieces.map((piece) => splitter.push(piece) ?? Buffer.alloc(0));
  out.push(splitter.flush() ?? Buffer.alloc(0));
  expect(splitter.heldBytes).toBe(0);
  return { forwarded: Buffer.concat(out).toString("latin1"), events };
}

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const sorted = [...cuts].map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
  const edges = [0, ...sorted, bytes.length];
  return edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
}

const sample = [
  ": a comment",
  "",
  "event: response.created",
  'data: {"type":"response.created"}',
  "id: 7",
  "retry: 100",
  "",
  "data:no space",
  "data",
  "data:  two spaces, ünïcödé ✓ 🎉",
  "",
  "",
  "unknown: field",
  "",
].join("\n");

const pad = `data: ${"é".repeat(60)}\n\n`;
const stream2KiB = Buffer.from(
  sample + pad.repeat(Math.floor((2048 - Buffer.byteLength(sample)) / Buffer.byteLength(pad))),
);
const asLineEnds = (bytes: Buffer, lineEnd: string): Buffer =>
  Buffer.from(bytes.toString("utf8").replaceAll("\n", lineEnd));

describe("SseSplitter", () => {
  test.each(["\n", "\r\n", "\r"])(
    "every way to cut a 2 KiB stream in two gives the same events and bytes (%j)",
    (lineEnd) => {
      const bytes = asLineEnds(stream2KiB, lineEnd);
      const whole = split([bytes]);
      expect(whole.forwarded).toBe(bytes.toString("latin1"));
      expect(whole.events.filter((event) => event.data !== undefined).length).toBeGreaterThan(10);
      expect(whole.events).toEqual(split([stream2KiB]).events);
      for (let cut = 1; cut < bytes.length; cut += 1) {
        const seen = split([bytes.subarray(0, cut), bytes.subarray(cut)]);
        expect(seen.forwarded === whole.forwarded, `bytes at cut ${cut}`).toBe(true);
        expect(JSON.stringify(seen.events) === JSON.stringify(whole.events), `events at cut ${cut}`).toBe(true);
      }
    },
  );

  const tokens = fc.constantFrom(
    "data: x",
    "data:",
    "data",
    "event: e",
    ": c",
    "id: 1",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "\0",
    "ü",
    "\ufeff",
    "{",
    "\r\r",
  );
  const streams = fc.array(tokens, { maxLength: 40 }).map((parts) => Buffer.from(parts.join("")));
  const cuts = fc.array(fc.nat(400), { maxLength: 12 });

  test("under any chunking the forwarded bytes are the input and the events are the same", () => {
    fc.assert(
      fc.property(streams, cuts, (bytes, at) => {
        const input = bytes.subarray(0, 3).equals(Buffer.from("\ufeff")) ? bytes.subarray(3) : bytes;
        const seen = split(cutAt(bytes, at));
        expect(seen.forwarded).toBe(input.toString("latin1"));
        expect(seen.events).toEqual(split([bytes]).events);
      }),
      { numRuns: 2000 },
    );
  });

  test("under any chunking the same events are dropped, with their whole line ends", () => {
    fc.assert(
      fc.property(streams, cuts, (bytes, at) => {
        const keep = (data: string): boolean => !data.includes("x");
        expect(split(cutAt(bytes, at), keep)).toEqual(split([bytes], keep));
      }),
      { numRuns: 2000 },
    );
  });

  test("arbitrary bytes, byte by byte, come out as they went in", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (array) => {
        const bytes = Buffer.from(array);
        const pieces = Array.from(bytes, (byte) => Buffer.from([byte]));
        fc.pre(!bytes.subarray(0, 3).equals(Buffer.from("\ufeff")));
        expect(split(pieces).forwarded).toBe(bytes.toString("latin1"));
      }),
    );
  });

  test("a chunk of whole events is handed on as the same object, uncopied", () => {
    const splitter = new SseSplitter({ event: () => true });
    const chunk = Buffer.from("data: 1\n\ndata: 2\n\n");
    expect(splitter.push(chunk)).toBe(chunk);
    expect(splitter.push(Buffer.from("data: 3\n"))).toBeUndefined();
    expect(splitter.heldBytes).toBe(8);
  });

  test("an incomplete tail is held, and given out only by a clean end", () => {
    const splitter = new SseSplitter({ event: () => true });
    expect(splitter.push(Buffer.from("data: 1\n\nda"))?.toString()).toBe("data: 1\n\n");
    expect(splitter.heldBytes).toBe(2);
    expect(splitter.flush()?.toString()).toBe("da");
    expect(splitter.flush()).toBeUndefined();
  });

  test("a held tail survives that its chunk's memory is used again", () => {
    const splitter = new SseSplitter({ event: () => true });
    const chunk = Buffer.from("data: 1");
    splitter.push(chunk);
    chunk.fill(0);
    expect(splitter.push(Buffer.from("\n\n"))?.toString()).toBe("data: 1\n\n");
    const opening = new SseSplitter({ event: () => true });
    const half = Buffer.from([0xef, 0xbb]);
    opening.push(half);
    half.fill(0);
    expect(opening.push(Buffer.from([0xbf, 0x0a]))?.toString()).toBe("\n");
  });

  test("a CR at the end of a chunk ends the event at once, and the LF after it is no second event", () => {
    const ends: number[] = [];
    const splitter = new SseSplitter({
      event(_bytes, _start, end) {
        ends.push(end);
        return true;
      },
    });
    expect(splitter.push(Buffer.from("data: 1\r\n\r"))?.toString()).toBe("data: 1\r\n\r");
    expect(splitter.push(Buffer.from("\n"))?.toString()).toBe("\n");
    expect(splitter.push(Buffer.from("data: 2\r\r"))?.toString()).toBe("data: 2\r\r");
    expect(ends).toEqual([10, 9]);
  });

  test.each([[[]], [[1]], [[1, 2]], [[0, 1, 2, 3]]])(
    "a byte order mark at the very start is stripped, cut at %j",
    (at) => {
      const bytes = Buffer.from("\ufeffdata: 1\n\ndata: \ufeff2\n\n");
      expect(split(cutAt(bytes, at)).forwarded).toBe(bytes.subarray(3).toString("latin1"));
    },
  );

  test("an observer that drops all leaves nothing to forward", () => {
    const splitter = new SseSplitter({ event: () => false });
    expect(splitter.push(Buffer.from("data: 1\n\ndata: 2\n\n"))).toBeUndefined();
    expect(splitter.push(Buffer.from("data: 3"))).toBeUndefined();
    expect(splitter.flush()).toBeUndefined();
  });

  test("an event up to the limit passes in any pieces; one byte more ends the stream", () => {
    const limit = 64;
    const fits = Buffer.from(`data: ${"x".repeat(limit - 8)}\n\n`);
    const exceeds = Buffer.from(`data: ${"x".repeat(limit - 7)}\n\n`);
    for (let cut = 0; cut <= exceeds.length; cut += 1) {
      const open = (): SseSplitter => new SseSplitter({ event: () => true }, { eventBytesMax: limit });
      const good = open();
      const out = [good.push(fits.subarray(0, cut)), good.push(fits.subarray(cut))].filter(
        (part) => part !== undefined,
      );
      expect(Buffer.concat(out).equals(fits)).toBe(true);
      const bad = open();
      expect(() => {
        bad.push(exceeds.subarray(0, cut));
        bad.push(exceeds.subarray(cut));
      }).toThrow(EventTooLarge);
      expect(bad.heldBytes).toBe(0);
      expect(() => bad.push(fits)).toThrow(EventTooLarge);
      expect(bad.flush()).toBeUndefined();
    }
  });

  test("the whole events before a too large one are still to be had", () => {
    const splitter = new SseSplitter({ event: () => true }, { eventBytesMax: 20 });
    const forwardOf = (chunk: string): string | undefined => {
      try {
        splitter.push(Buffer.from(chunk));
      } catch (fault) {
        return fault instanceof EventTooLarge ? fault.forward?.toString() : undefined;
      }
      return undefined;
    };
    expect(forwardOf(`data: 1\n\ndata: ${"x".repeat(40)}`)).toBe("data: 1\n\n");
  });

  test("an event that comes in single bytes is copied in linear time", () => {
    const splitter = new SseSplitter({ event: () => true });
    const byte = Buffer.from("x");
    const before = performance.now();
    for (let i = 0; i < 800_000; i += 1) splitter.push(byte);
    expect(splitter.heldBytes).toBe(800_000);
    expect(splitter.push(Buffer.from("\n\n"))?.length).toBe(800_002);
    // linear is some 50 ms, quadratic half a minute
    expect(performance.now() - before).toBeLessThan(4_000);
  });
});
