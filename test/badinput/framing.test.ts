import { afterAll, beforeAll, expect } from "vitest";
import { badInputClass, expectOurError, expectUnharmed, startGuarded } from "../fixtures/bad-input.ts";
import { sendRaw } from "../fixtures/raw-http.ts";
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
