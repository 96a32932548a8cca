// Holds streams open against one URL and prints what it saw as one JSON object: SseResult.
// usage: node sse-load.ts URL STREAMS SECONDS BODY
import { Agent, request } from "node:http";
import { type Distribution, distributionOf } from "./distribution.ts";

/** What one run saw; times in us. */
export interface SseResult {
  readonly streams: number;
  readonly chunks: number;
  readonly failed: number;
  /** From the request to the first chunk. */
  readonly firstChunk: Distribution;
  /** From the provider's write of a chunk (it carries the time, `ts=NANOSECONDS;`) to its being read here. */
  readonly transit: Distribution;
}

/** Length of one stream: the starts are spread over it, so that chunks do not come in bursts. */
const streamMs = 500;

async function main(url: string, streams: number, seconds: number, body: string): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: streams });
  const firstChunks: number[] = [];
  const transits: number[] = [];
  const seen = { streams: 0, chunks: 0, failed: 0 };
  const endMs = performance.now() + seconds * 1000;

  const one = (): Promise<void> =>
    new Promise((resolve) => {
      const sentNs = process.hrtime.bigint();
      let chunks = 0;
      let tail = "";
      const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body), "cache-control": "no-store" };
      const call = request(url, { method: "POST", agent, headers }, (response) => {
        response.setEncoding("latin1");
        response.on("data", (piece: string) => {
          const nowNs = process.hrtime.bigint();
          for (const [, stamp] of piece.matchAll(/ts=(\d+);/g)) {
            if (chunks === 0) firstChunks.push(Number(nowNs - sentNs) / 1000);
            transits.push(Number(nowNs - BigInt(stamp ?? 0)) / 1000);
            chunks++;
          }
          tail = (tail + piece).slice(-20);
        });
        response.on("end", () => {
          seen.chunks += chunks;
          if (response.statusCode === 200 && tail.includes("[DONE]")) seen.streams++;
          else seen.failed++;
          resolve();
        });
        response.on("error", () => undefined); // "close" follows without "end": counted by the request's error
      });
      call.on("error", () => {
        seen.failed++;
        resolve();
      });
      call.end(body);
    });

  const worker = async (index: number): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, (index * streamMs) / streams));
    while (performance.now() < endMs) await one();
  };
  await Promise.all(Array.from({ length: streams }, (_, index) => worker(index)));
  agent.destroy();
  const result: SseResult = { ...seen, firstChunk: distributionOf(firstChunks), transit: distributionOf(transits) };
  process.stdout.write(JSON.stringify(result));
}

if (import.meta.main) {
  const [url = "", streams, seconds, body = ""] = process.argv.slice(2);
  await main(url, Number(streams), Number(seconds), body);
}
