import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { claimsOf, goodToken, identityOf, newSigner, signedToken, testPod } from "../../../test/fixtures/pod-tokens.ts";
import { badTokenIdentity, badTokenNowMs, badTokens, goodRowToken } from "./bad-tokens.rows.ts";
import { clockLeewayMs } from "./claims.ts";
import { identityReasons, refusalText } from "./reasons.ts";
import { readTokenFile } from "./token-file.ts";
import { verifyToken } from "./verify.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sidegate-tokens-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const judge = async (file: string | Uint8Array | undefined, identity = badTokenIdentity, nowMs = badTokenNowMs) => {
  const path = join(folder, "token-0");
  rmSync(path, { recursive: true, force: true });
  if (file === "folder") mkdirSync(path);
  else if (file !== undefined) writeFileSync(path, file);
  const read = readTokenFile(path);
  return "reason" in read ? { kind: "refused", ...read } : verifyToken(read, { identity, pod: testPod, nowMs });
};

describe("a token that is refused:", () => {
  test.each(badTokens)("$name, $reason", async ({ file, reason, identity }) => {
    expect(await judge(file, identity)).toMatchObject({ kind: "refused", reason });
  });

  test("there are many, no two alike, and every code that a token can have is among them", () => {
    expect(badTokens.length).toBeGreaterThanOrEqual(100);
    expect(new Set(badTokens.map(({ name }) => name)).size).toBe(badTokens.length);
    const ofTheConfig = ["not_verified_yet", "identity_not_configured", "token_not_mounted"];
    const shown = new Set<string>([...badTokens.map(({ reason }) => reason), ...ofTheConfig]);
    shown.add("config_of_another_workload").add("not_a_parent");
    expect(Object.keys(identityReasons).filter((reason) => !shown.has(reason))).toEqual([]);
  });

  test("is said in a sentence that holds nothing of it", () => {
    expect(refusalText("token_expired")).toBe(
      "token_expired: The token has ended: the kubelet has not renewed it, or it is an old copy",
    );
  });
});

describe("a token that is taken:", () => {
  test.each(["RS256", "ES256", "ES384", "ES512"] as const)("signed with %s", async (algorithm) => {
    const signer = newSigner(algorithm);
    expect(await judge(goodToken(signer, badTokenNowMs), identityOf(signer))).toMatchObject({ kind: "verified" });
  });

  test.each([
    { name: "with a line end and blanks around it", file: ` \n${goodRowToken()}\r\n` },
    { name: "under the other of two keys", file: goodRowToken("rsa") },
  ])("$name", async ({ file }) => {
    expect(await judge(file)).toMatchObject({ kind: "verified" });
  });

  const signer = newSigner();
  const token = (changed: object) => signedToken(signer, { ...claimsOf(badTokenNowMs), ...changed });
  test.each([
    { name: "for several audiences, ours among them", file: token({ aud: ["vault", "sidegate"] }) },
    { name: "for one audience as a text", file: token({ aud: "sidegate" }) },
    { name: "with claims that nobody knows", file: token({ warnafter: 1, nested: { a: [null] } }) },
    { name: "with a type", file: signedToken(signer, claimsOf(badTokenNowMs), { typ: "JWT" }) },
    { name: "from a cluster that does not name the node", file: signedToken(signer, withoutNode()) },
  ])("$name", async ({ file }) => {
    expect(await judge(file, identityOf(signer))).toMatchObject({ kind: "verified" });
  });

  test("until its end and the leeway, and from its beginning less the leeway", async () => {
    const now = Math.floor(badTokenNowMs / 1000);
    const file = token({});
    const endsMs = (now + 600) * 1000 + clockLeewayMs;
    const at = (nowMs: number) => judge(file, identityOf(signer), nowMs);
    expect(await at(endsMs - 1)).toEqual({ kind: "verified", endsMs });
    expect(await at(endsMs)).toMatchObject({ reason: "token_expired" });
    expect(await at(now * 1000 - clockLeewayMs)).toMatchObject({ kind: "verified" });
    const fromMs = now * 1000 - clockLeewayMs;
    expect(await at(fromMs - 1)).toEqual({ kind: "refused", reason: "token_not_yet_valid", fromMs });
  });
});

function withoutNode() {
  const claims = claimsOf(badTokenNowMs);
  return { ...claims, "kubernetes.io": { ...(claims["kubernetes.io"] as object), node: undefined } }; // an object
}

test("an unknown key excuses nothing else: what the token says is looked at all the same", async () => {
  const stranger = newSigner();
  const token = (changed: object) => signedToken(stranger, { ...claimsOf(badTokenNowMs), ...changed });
  expect(await judge(token({}))).toMatchObject({ reason: "key_unknown", endsMs: expect.any(Number) });
  expect(await judge(token({ exp: 1 }))).toMatchObject({ reason: "token_expired" });
  expect(await judge(token({ aud: "vault" }))).toMatchObject({ reason: "audience_mismatch" });
  expect(await judge(goodToken(stranger, badTokenNowMs, { ...testPod, podUid: "x" }))).toMatchObject({
    reason: "pod_uid_mismatch",
  });
});
