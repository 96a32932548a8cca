import { afterAll, beforeAll, expect, test } from "vitest";
import { badInputClass, expectOurError, expectUnharmed, startGuarded } from "../fixtures/bad-input.ts";
import { openRaw, sendRaw } from "../fixtures/raw-http.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";
import { framingRows } from "./framing.rows.ts";

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGuarded();
});
afterAll(() => gateway.close());

badInputClass("HTTP/1.1 framing", framingRows, async ({ pieces, want }) => {
  const before = gateway.provider.requests.length;
  const answers = await sendRaw(
    gateway.url,
    pieces.map((piece) => Buffer.from(piece, "latin1")),
    { count: want.length },
  );
  expect(answers.map((answer) => answer.status)).toEqual(want.map((each) => (each === 200 ? 200 : each[0])));
  for (const [i, each] of want.entries()) {
    const answer = answers[i];
    if (each === 200 || answer === undefined) continue;
    expect(answer.isWhole).toBe(true);
    const [status, code] = each;
    expectOurError(
      { status: answer.status, text: answer.text, header: (name) => answer.headers[name] },
      { status, code },
    );
  }
  const refused = want.every((each) => each !== 200);
  if (refused) expect(gateway.provider.requests).toHaveLength(before);
  await expectUnharmed(gateway);
});

// an unheard error of a socket would end the process
test.each([
  "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
  "rubbish\r\n\r\n",
  "GET /v1/models HTTP/1.1\r\nHost: g\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
  "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
  "",
])("a client that writes %j and resets harms nobody", async (text) => {
  for (let i = 0; i < 20; i++) {
    const raw = await openRaw(gateway.url);
    raw.write(text);
    if (i % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
    raw.reset();
  }
  await expectUnharmed(gateway);
});
