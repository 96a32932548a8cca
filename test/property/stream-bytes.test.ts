import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openRoute, startTestGateway, type TestGateway } from "../fixtures/sidecar.ts";

/** What the upstream writes next: pieces, each in a write of its own. */
let pieces: Buffer[] = [];
let upstream: Server;
let gateway: TestGateway;

beforeAll(async () => {
  upstream = createServer((request, response) => {
    request.resume().on("end", async () => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const piece of pieces) {
        response.write(piece);
        await new Promise((resolve) => setImmediate(resolve)); // so that pieces leave one by one
      }
      response.end();
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  gateway = await startTestGateway({
    yaml: () => openRoute(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`),
  });
});
afterAll(async () => {
  await gateway.close();
  upstream.closeAllConnections();
  upstream.close();
});

async function through(stream: Buffer, cuts: readonly number[], endpoint: "chat" | "responses"): Promise<Buffer> {
  const at = [0, ...[...new Set(cuts.map((cut) => cut % stream.length))].sort((a, b) => a - b), stream.length];
  pieces = at
    .slice(1)
    .map((end, i) => stream.subarray(at[i], end))
    .filter((piece) => piece.length > 0);
  const body =
    endpoint === "chat"
      ? { model: "gpt-4o", messages: [], stream: true, stream_options: { include_usage: true } } // asked for, so nothing is filtered
      : { model: "gpt-4o", input: "x", stream: true };
  const response = await fetch(`${gateway.url}/v1/${endpoint === "chat" ? "chat/completions" : "responses"}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return Buffer.from(await response.arrayBuffer());
}

const text = fc.string({ unit: "grapheme", maxLength: 40 });
const lineEnd = fc.constantFrom("\n", "\r\n", "\r");
const line = fc.oneof(
  text.map(
    (content) =>
      `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", choices: [{ index: 0, delta: { content }, finish_reason: null }] })}`,
  ),
  text.map((words) => `: ${words.replaceAll(/[\r\n]/g, "")}`),
  fc.constantFrom(
    "event: custom",
    "id: 7",
    "retry: 10",
    "data:",
    "data:no space",
    'data: {"choices":[],"prompt_filter_results":[]}',
    "unknown: field",
  ),
);
const event = fc
  .tuple(fc.array(line, { minLength: 1, maxLength: 3 }), lineEnd)
  .map(([lines, end]) => `${lines.join(end)}${end}${end}`);
const cuts = fc.array(fc.nat(100_000), { maxLength: 30 });

test("a chat stream comes out as the bytes that went in, however it is cut", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 8 }), cuts, async (events, at) => {
      const usage =
        'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n';
      const stream = Buffer.from(`${events.join("")}${usage}data: [DONE]\n\n`);
      expect(await through(stream, at, "chat")).toEqual(stream);
    }),
    { numRuns: 150 },
  );
});

test("a Responses stream comes out as the bytes that went in, cut at every byte", async () => {
  const stream = Buffer.from(
    [
      'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress"}}\n\n',
      'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":1,"delta":"zażółć 😀"}\n\n',
      'event: response.completed\ndata: {"type":"response.completed","sequence_number":2,"response":{"id":"resp_1","status":"completed","usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}}\n\n',
    ].join(""),
  );
  expect(
    await through(
      stream,
      Array.from({ length: stream.length }, (_, i) => i),
      "responses",
    ),
  ).toEqual(stream);
  for (let cut = 1; cut < stream.length; cut += 7) expect(await through(stream, [cut], "responses")).toEqual(stream);
});
