/** Streams of one HTTP/2 connection: many at a time, slow ones, and clients that go away. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chatAnswer, whole } from "../fixtures/byte-provider.ts";
import { chat, until } from "../fixtures/calls.ts";
import { body, event, type Http2Stage, lastEvent, path, startHttp2, streamed } from "../fixtures/http2.ts";
import { begin, overHttp2 } from "../fixtures/listener.ts";

let stage: Http2Stage;
let provider: Http2Stage["provider"];
let gateway: Http2Stage["gateway"];
let on: Http2Stage["on"];

beforeEach(async () => {
  stage = await startHttp2();
  ({ provider, gateway, on } = stage);
});
afterEach(() => stage.stop());

describe("a client that goes away", () => {
  test("resets its stream: the provider's call ends, and the other streams go on", async () => {
    const hang = async (_request: unknown, response: import("node:http").ServerResponse): Promise<void> => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(event("a"));
    };
    provider.next(hang);
    provider.next(hang);
    const [left, stays] = [begin(on, path, { body: streamed }), begin(on, path, { body: streamed })];
    for (const stream of [left, stays]) stream.on("error", () => undefined).resume();
    await until("both run at the provider", () => provider.openRequests === 2);
    left.close(8);
    await until("one has ended at the provider", () => provider.openRequests === 1);
    expect(gateway.sidecar.gateway.running).toBe(1);
    expect(gateway.audit.records.at(-1)).toMatchObject({ outcome: "aborted" });
    stays.close(8);
    await stage.noneRuns();
  });

  test("closes its connection: every call of it ends", async () => {
    for (let i = 0; i < 5; i++) {
      provider.next(
        (_request, response) => void response.writeHead(200, { "content-type": "text/event-stream" }).write(event("a")),
      );
      begin(on, path, { body: streamed })
        .on("error", () => undefined)
        .resume();
    }
    await until("all run", () => provider.openRequests === 5);
    on.destroy();
    await until("none runs at the provider", () => provider.openRequests === 0);
    await stage.noneRuns();
  });

  test("leaves an answer before it has come: the call ends as one that may be billed", async () => {
    provider.next(() => undefined);
    const stream = begin(on, path, { body });
    stream.on("error", () => undefined);
    await until("it runs", () => provider.openRequests === 1);
    stream.close(8);
    await stage.noneRuns();
    expect(gateway.audit.records.at(-1)).toMatchObject({ outcome: "aborted" });
  });
});

describe("many at a time", () => {
  test("100 streams on one connection each get their own answer", async () => {
    for (let i = 0; i < 100; i++)
      provider.next((request, response) => {
        const said = /content":"(n\d+)"/.exec(request.body.toString())?.[1] ?? "";
        setTimeout(() => whole(chatAnswer(said))(request, response), Number(said.slice(1)) % 7);
      });
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => overHttp2(on, path, { body: JSON.stringify(chat(`n${i}`)) })),
    );
    expect(answers.map(({ text }) => JSON.parse(text).choices[0].message.content)).toEqual(
      Array.from({ length: 100 }, (_, i) => `n${i}`),
    );
    await stage.noneRuns();
  });

  test("one that is not read does not hold up the others, and holds the provider back", async () => {
    const chunk = event("x".repeat(60_000));
    let written = 0;
    provider.next((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const pump = (): void => {
        while (written < 2_000) {
          written++;
          if (!response.write(chunk)) {
            response.once("drain", pump);
            return;
          }
        }
        response.end(`${lastEvent}data: [DONE]\n\n`);
      };
      pump();
    });
    const lazy = begin(on, path, { body: streamed });
    lazy.pause();
    await until("it runs", () => written > 0);
    let before = -1;
    await until("the provider waits", async () => {
      const same = before === written;
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return same;
    });
    expect(written).toBeLessThan(400); // 120 MB would be 2,000
    for (let i = 0; i < 5; i++) expect((await overHttp2(on, path, { body })).status).toBe(200);
    let bytes = 0;
    lazy.on("data", (part: Buffer) => {
      bytes += part.length;
    });
    lazy.resume();
    await until("it has ended", () => lazy.closed, 20_000);
    expect(bytes).toBe(2_000 * Buffer.byteLength(chunk) + Buffer.byteLength(`${lastEvent}data: [DONE]\n\n`));
  }, 30_000);
});
