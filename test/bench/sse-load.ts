// Holds streams open against one URL, over raw sockets so that it costs little beside what is measured, and prints an SseResult as JSON.
// usage: node sse-load.ts URL STREAMS SECONDS BODY
import { connect, type Socket } from "node:net";
import { type Distribution, distributionOf } from "./distribution.ts";
import { monotonicUs } from "./stamp.ts";

/** What one run saw; times in us. */
export interface SseResult {
  readonly streams: number;
  readonly chunks: number;
  readonly failed: number;
  /** Why the first one failed; empty: none did. */
  readonly why: string;
  /** From the request to the first chunk. */
  readonly firstChunk: Distribution;
  /** From the provider's write of a chunk, which carries its time, to its being read here. */
  readonly transit: Distribution;
}

/** Length of one stream: the starts are spread over it, so that chunks do not come in bursts. */
const streamMs = 500;
/** A stream that has not ended after so long has failed. */
const streamMsMax = 10_000;
const stampPattern = /ts=(\d+);/g;
/** Longest piece of text that may be cut between two reads: a stamp, or the end of a chunked body. */
const tailCharactersMax = 30;

const seen = { streams: 0, chunks: 0, failed: 0, why: "" };
const firstChunks: number[] = [];
const transits: number[] = [];

/** One stream on a connection that stays open; answers why it failed, or nothing. */
function streamOnce(socket: Socket, requestText: string): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    let chunks = 0;
    let isDone = false;
    const sentUs = monotonicUs();
    const end = (why: string): void => {
      clearTimeout(timer);
      socket.off("data", onData).off("close", onClose);
      seen.chunks += chunks;
      resolve(why);
    };
    const onClose = (): void => end(`closed after ${chunks} chunks: ${text.slice(0, 500)}`);
    const onData = (piece: string): void => {
      const nowUs = monotonicUs();
      text += piece;
      if (chunks === 0 && text.length >= 12 && !text.startsWith("HTTP/1.1 200") && !text.startsWith("ts=")) {
        end(text.slice(0, 500));
        return;
      }
      let readTo = 0;
      for (const match of text.matchAll(stampPattern)) {
        if (chunks === 0) firstChunks.push(nowUs - sentUs);
        transits.push(nowUs - Number(match[1]));
        chunks++;
        readTo = match.index + match[0].length;
      }
      if (chunks === 0) return; // the head, perhaps cut
      if (text.includes("[DONE]")) isDone = true;
      if (isDone && text.endsWith("\r\n0\r\n\r\n")) {
        end("");
        return;
      }
      text = text.slice(Math.max(readTo, text.length - tailCharactersMax));
    };
    const timer = setTimeout(
      () => end(`no end within ${streamMsMax} ms, ${chunks} chunks: ${text.slice(0, 500)}`),
      streamMsMax,
    );
    socket.on("data", onData).once("close", onClose);
    socket.write(requestText);
  });
}

const connected = (port: number, host: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host, noDelay: true });
    socket.setEncoding("latin1");
    socket.once("connect", () => resolve(socket)).once("error", reject);
    socket.on("error", () => undefined); // "close" follows, and the stream counts as failed
  });

async function main(url: URL, streams: number, seconds: number, body: string): Promise<void> {
  const head = [
    `POST ${url.pathname} HTTP/1.1`,
    `host: ${url.host}`,
    "content-type: application/json",
    "cache-control: no-store",
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  const requestText = `${head.join("\r\n")}\r\n\r\n${body}`;
  const endMs = performance.now() + seconds * 1000;
  const worker = async (index: number): Promise<void> => {
    let socket = await connected(Number(url.port), url.hostname);
    await new Promise((resolve) => setTimeout(resolve, (index * streamMs) / streams));
    while (performance.now() < endMs) {
      const why = await streamOnce(socket, requestText);
      if (why === "") {
        seen.streams++;
        continue;
      }
      seen.failed++;
      seen.why ||= why;
      socket.destroy();
      socket = await connected(Number(url.port), url.hostname);
    }
    socket.destroy();
  };
  await Promise.all(Array.from({ length: streams }, (_, index) => worker(index)));
  const result: SseResult = { ...seen, firstChunk: distributionOf(firstChunks), transit: distributionOf(transits) };
  process.stdout.write(JSON.stringify(result));
}

const [url = "", streams, seconds, body = ""] = process.argv.slice(2);
await main(new URL(url), Number(streams), Number(seconds), body);
