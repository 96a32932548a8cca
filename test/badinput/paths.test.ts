import { afterAll, beforeAll, expect } from "vitest";
import { badInputClass, expectOurError, expectUnharmed, startGuarded } from "../fixtures/bad-input.ts";
import { request, sendRaw } from "../fixtures/raw-http.ts";
import type { TestGateway } from "../fixtures/sidecar.ts";
import { pathRows } from "./paths.rows.ts";

const body = '{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}';
let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGuarded();
});
afterAll(() => gateway.close());

badInputClass("URL and path", pathRows, async ({ method, target, want }) => {
  const before = gateway.provider.requests.length;
  const isPost = method === "POST" && !target.includes("/models");
  const bytes = request(`${method} ${target} HTTP/1.1`, ["Content-Type: application/json"], isPost ? body : "");
  const [answer] = await sendRaw(gateway.url, [bytes], { isHead: method === "HEAD" });
  const came = gateway.provider.requests.slice(before);
  if (typeof want === "string") {
    expect(answer?.status, answer?.text).toBe(200);
    expect(came.map((each) => each.path)).toEqual(want === "" ? [] : [want]);
  } else {
    const [status, code] = want;
    expect(came).toEqual([]);
    expect(answer?.status).toBe(status);
    // a HEAD's answer has no body
    if (method !== "HEAD" && answer)
      expectOurError({ status, text: answer.text, header: (name) => answer.headers[name] }, { status, code });
    if (status === 405) expect(answer?.headers.allow).toMatch(/^(GET|POST|GET, POST)$/);
  }
  await expectUnharmed(gateway);
});
