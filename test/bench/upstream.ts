// The provider of the benchmark: fixed answers from a raw socket, so that it costs little beside what is measured.
// usage: node upstream.ts PORT
import { createServer, type Socket } from "node:net";
import { monotonicUs } from "./stamp.ts";

/** Chunks of each stream, and the time between two of them in ms. */
const chunksPerStream = 50;
const chunkEveryMs = 10;
/** Longest pause between two looks at the sockets while streams run, in ms. */
const lookMsMax = 0.2;

const text = "The quick brown fox jumps over the lazy dog while a fixed answer moves the same bytes past everybody.";
const usage = { prompt_tokens: 19, completion_tokens: 31, total_tokens: 50 };
const about = { id: "chatcmpl-bench", created: 1_700_000_000, model: "bench" };
const message = { index: 0, message: { role: "assistant", content: text, refusal: null }, finish_reason: "stop" };
const whole = JSON.stringify({ ...about, object: "chat.completion", choices: [message], usage });
const wholeAnswer = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${whole.length}\r\n\r\n${whole}`,
);
const streamHead = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const frame = (choices: string, more = ""): string =>
  `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench","choices":[${choices}]${more}}\n\n`;
const chunked = (body: string): string => `${body.length.toString(16)}\r\n${body}\r\n`;
const stopFrame = frame('{"index":0,"delta":{},"finish_reason":"stop"}');
const usageFrame = frame("", `,"usage":${JSON.stringify(usage)}`);

interface Running {
  readonly socket: Socket;
  readonly startedMs: number;
  readonly withUsage: boolean;
  sent: number;
}
let running: Running[] = [];
const pause = new Int32Array(new SharedArrayBuffer(4));

/** Writes what is due, then waits for the next: timers of Node have whole milliseconds, which would send chunks in bursts. */
function pump(): void {
  const nowMs = performance.now();
  let nextMs = nowMs + lookMsMax;
  for (const stream of running) {
    const dueMs = stream.startedMs + stream.sent * chunkEveryMs;
    if (dueMs <= nowMs) sendChunk(stream);
    else if (dueMs < nextMs) nextMs = dueMs;
  }
  running = running.filter((stream) => stream.sent <= chunksPerStream && !stream.socket.destroyed);
  if (running.length === 0) return;
  const waitMs = nextMs - performance.now();
  if (waitMs > 0) Atomics.wait(pause, 0, 0, waitMs);
  setImmediate(pump);
}

function sendChunk(stream: Running): void {
  const { socket } = stream;
  if (stream.sent < chunksPerStream) {
    const stamp = `{"index":0,"delta":{"content":"ts=${monotonicUs()};"},"finish_reason":null}`;
    socket.write(chunked(frame(stamp)));
  } else {
    socket.write(
      `${chunked(stopFrame)}${stream.withUsage ? chunked(usageFrame) : ""}${chunked("data: [DONE]\n\n")}0\r\n\r\n`,
    );
  }
  stream.sent++;
}

function answer(socket: Socket, body: string): void {
  if (!/"stream":\s?true/.test(body)) {
    socket.write(wholeAnswer);
    return;
  }
  socket.write(streamHead);
  running.push({ socket, startedMs: performance.now(), withUsage: body.includes('"include_usage":true'), sent: 0 });
  if (running.length === 1) setImmediate(pump);
}

const server = createServer({ noDelay: true }, (socket) => {
  let kept = "";
  socket.setEncoding("latin1");
  socket.on("error", () => socket.destroy());
  socket.on("data", (piece: string) => {
    kept += piece;
    for (;;) {
      const headEnd = kept.indexOf("\r\n\r\n");
      if (headEnd < 0) return;
      const length = Number(/\r\ncontent-length: ?(\d+)/i.exec(kept.slice(0, headEnd))?.[1] ?? 0);
      const end = headEnd + 4 + length;
      if (kept.length < end) return;
      answer(socket, kept.slice(headEnd + 4, end));
      kept = kept.slice(end);
    }
  });
});
server.listen(Number(process.argv[2]), "127.0.0.1", 4096);
