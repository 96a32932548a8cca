import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  callerClaims,
  callerIssuerConfig,
  callerSigner,
  callerToken,
  newApiKey,
} from "../../../test/fixtures/caller-tokens.ts";
import { part } from "../../../test/fixtures/pod-tokens.ts";
import { bearerAlgorithms } from "../../config/caller.ts";
import { badCallerTokens, callerNowMs, goodCallerToken, goodClusterToken, judgeOfRows } from "./bad-tokens.rows.ts";
import { fixedKeys } from "./bearer.ts";
import { callerJudge } from "./judge.ts";
import { KeyRing } from "./key-ring.ts";
import { callerReasons } from "./reasons.ts";
import type { CallerVerdict } from "./verdict.ts";

const codeOf = (verdict: CallerVerdict): string | undefined => (verdict.kind === "proven" ? "proven" : verdict.reason);
const callerIn = (verdict: CallerVerdict): unknown => (verdict.kind === "proven" ? verdict.caller : verdict);

describe("a caller's token", () => {
  test.each(badCallerTokens)("that is $name is refused with $reason", ({ text, reason }) => {
    expect(codeOf(judgeOfRows()(text, callerNowMs))).toBe(reason);
  });

  test("is taken where the rows' one fault is not there", () => {
    const judge = judgeOfRows();
    for (const signer of ["rsa", "ec", "ed"] as const)
      expect(callerIn(judge(goodCallerToken(signer), callerNowMs))).toEqual({
        ...{ user: "alice", tenant: "acme" },
        ...{ roles: ["writer", "reader"], groups: ["staff"] },
      });
    expect(callerIn(judge(goodClusterToken(), callerNowMs))).toEqual({ user: "system:serviceaccount:default:default" });
  });

  test.each(bearerAlgorithms)("of algorithm %s is taken with and without kid", (algorithm) => {
    const signer = callerSigner(algorithm);
    const other = callerSigner(algorithm === "EdDSA" ? "ES256" : "EdDSA");
    const judge = callerJudge(
      { require: "Bearer", issuers: [callerIssuerConfig({ algorithms: [algorithm] })] },
      { keysOf: () => fixedKeys(new KeyRing([signer.jwk, other.jwk])) },
    );
    const claims = callerClaims(callerNowMs);
    expect(codeOf(judge(callerToken(signer, claims), callerNowMs))).toBe("proven");
    expect(codeOf(judge(callerToken(signer, claims, { kid: undefined, typ: "at+jwt" }), callerNowMs))).toBe("proven");
  });

  test("is taken where a key for encryption has the kid as well, in any order, but not where a broken one has", () => {
    const signer = callerSigner("RS256");
    const { kid } = signer;
    const codeWith = (...jwks: readonly unknown[]): string | undefined => {
      const keysOf = () => fixedKeys(new KeyRing(jwks));
      const judge = callerJudge({ require: "Bearer", issuers: [callerIssuerConfig()] }, { keysOf });
      return codeOf(judge(callerToken(signer, callerClaims(callerNowMs)), callerNowMs));
    };
    const encrypts = { ...callerSigner("RS256").jwk, kid, use: "enc" };
    const shared = { kty: "oct", kid, k: "c2VjcmV0" };
    expect([codeWith(encrypts, signer.jwk), codeWith(signer.jwk, encrypts)]).toEqual(["proven", "proven"]);
    expect(codeWith(encrypts, encrypts)).toBe("key_not_for_signing");
    for (const jwks of [
      [shared, signer.jwk],
      [signer.jwk, shared],
      [signer.jwk, { ...signer.jwk, d: "A".repeat(43) }, encrypts],
    ])
      expect(codeWith(...jwks)).toBe("key_ambiguous");
  });

  test("holds from its beginning to its end, and as far beyond as clocks may differ", () => {
    const judge = judgeOfRows();
    const text = goodCallerToken();
    const hour = 3_600_000;
    const at = (ms: number): string | undefined => codeOf(judge(text, callerNowMs + ms));
    expect([at(-30_001), at(-30_000), at(hour + 29_999), at(hour + 30_000)]).toEqual([
      "token_not_yet_valid",
      "proven",
      "proven",
      "token_expired",
    ]);
  });

  test("needs neither nbf nor iat, and only one of its audiences need be ours", () => {
    const text = goodCallerToken("ec", { nbf: undefined, iat: undefined, aud: ["other", "sidegate-acme"] });
    expect(codeOf(judgeOfRows()(text, callerNowMs))).toBe("proven");
  });

  test.each([
    { name: "a scope", roles: ["scope"], says: { scope: " chat  embed " }, gives: ["chat", "embed"] },
    { name: "a nested scp", roles: ["a", "scp"], says: { a: { scp: "chat embed" } }, gives: ["chat", "embed"] },
    { name: "a scope that is a list", roles: ["scope"], says: { scope: ["a b"] }, gives: ["a b"] },
    { name: "one text", roles: ["role"], says: { role: "chat embed" }, gives: ["chat embed"] },
    { name: "a URL as a name", roles: ["https://a.example/r"], says: { "https://a.example/r": ["x"] }, gives: ["x"] },
    { name: "nothing", roles: ["none"], says: {}, gives: undefined },
    { name: "a member of a text", roles: ["sub", "length"], says: {}, gives: undefined },
    { name: "a member of a prototype", roles: ["constructor", "name"], says: {}, gives: undefined },
    { name: "a member of a list", roles: ["list", "0"], says: { list: ["admin"] }, gives: undefined },
  ])("gives the roles of $name", ({ roles, says, gives }) => {
    const judge = judgeOfRows(callerIssuerConfig({ claims: { user: ["sub"], roles } }));
    const caller = callerIn(judge(goodCallerToken("ec", says), callerNowMs));
    expect(caller).toEqual({ user: "alice", ...(gives && { roles: gives }) });
  });

  test("has its issuer's prefix before every value", () => {
    const judge = judgeOfRows(callerIssuerConfig({ prefix: "corp:" }));
    expect(callerIn(judge(goodCallerToken(), callerNowMs))).toEqual({
      ...{ user: "corp:alice", tenant: "corp:acme" },
      ...{ roles: ["corp:writer", "corp:reader"], groups: ["corp:staff"] },
    });
    expect(codeOf(judge(goodCallerToken("ec", { sub: "system:a" }), callerNowMs))).toBe("user_reserved");
  });

  test("of the cluster cannot be judged before the cluster's keys are known", () => {
    const judge = callerJudge(
      {
        require: "Bearer",
        issuers: [{ type: "Cluster", audiences: ["gateway"], clockToleranceMs: 0, claims: { user: ["sub"] } }],
      },
      { keysOf: () => fixedKeys(new KeyRing([])) },
    );
    expect(judge(goodClusterToken(), callerNowMs)).toEqual({ kind: "missing-keys", issuer: "the cluster" });
  });

  test("that is random, or was changed anywhere, is never taken and throws nothing", () => {
    const judge = judgeOfRows();
    const good = goodCallerToken();
    const isRefused = (text: string): boolean => {
      const verdict = judge(text, callerNowMs);
      return (
        verdict.kind === "missing-keys" || (verdict.kind === "refused" && Object.hasOwn(callerReasons, verdict.reason))
      );
    };
    const json = fc.json({ maxDepth: 3 }).map(part);
    const bytes = fc.uint8Array({ maxLength: 80 }).map(part);
    const pieces = fc.oneof(json, bytes, fc.constantFrom(...good.split(".")), fc.string());
    const tokens = fc.array(pieces, { maxLength: 6 }).map((parts) => parts.join("."));
    const changed = fc
      .tuple(fc.nat(good.length - 1), fc.string({ minLength: 0, maxLength: 2 }))
      .map(([at, text]) => good.slice(0, at) + text + good.slice(at + 1));
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), tokens, changed), (text) => text === good || isRefused(text)),
      { numRuns: 2_000 },
    );
  });
});

describe("an API key", () => {
  const first = newApiKey({ id: "team-a", user: "bot-a", tenant: "acme", roles: ["writer"], groups: ["bots"] });
  const later = newApiKey({ id: "team-a-2", user: "bot-a", notBeforeMs: callerNowMs, expiresMs: callerNowMs + 1_000 });
  const judge = callerJudge(
    { require: "APIKey", keys: [first.config, later.config] },
    { keysOf: () => fixedKeys(new KeyRing([])) },
  );
  const codeAt = (text: string, nowMs = callerNowMs): string | undefined => codeOf(judge(text, nowMs));
  const [, id = "", secret = ""] = /^sgk-(.+)-(.{43})$/.exec(first.text) ?? [];

  test("stands for what the config says of it", () => {
    expect(callerIn(judge(first.text, callerNowMs))).toEqual({
      ...{ user: "bot-a", clientKey: "team-a", tenant: "acme" },
      ...{ roles: ["writer"], groups: ["bots"] },
    });
  });

  test("holds from its beginning to its end, beside the one that it replaces", () => {
    expect([-1, 0, 999, 1_000].map((ms) => codeAt(later.text, callerNowMs + ms))).toEqual([
      "api_key_not_yet_valid",
      "proven",
      "proven",
      "api_key_expired",
    ]);
    expect(codeAt(first.text)).toBe("proven");
  });

  const flipped = secret.startsWith("A") ? `B${secret.slice(1)}` : `A${secret.slice(1)}`;
  test.each([
    { name: "nothing", text: "", reason: "credential_missing" },
    { name: "the placeholder", text: "provided-by-sidegate", reason: "not_an_api_key" },
    { name: "a token", text: goodCallerToken(), reason: "not_an_api_key" },
    { name: "a provider's key", text: "sk-proj-abcdefghijklmnop", reason: "not_an_api_key" },
    { name: "a short secret", text: first.text.slice(0, -1), reason: "not_an_api_key" },
    { name: "a long secret", text: `sgk-team-a-${"A".repeat(44)}`, reason: "not_an_api_key" },
    { name: "an id in capitals", text: `sgk-TEAM-A-${secret}`, reason: "not_an_api_key" },
    { name: "an id that is too long", text: `sgk-${"a".repeat(64)}-${secret}`, reason: "not_an_api_key" },
    { name: "blanks", text: `${first.text} x`, reason: "token_not_text" },
    { name: "more than any key", text: "a".repeat(20_000), reason: "token_too_large" },
    { name: "another secret", text: `sgk-${id}-${flipped}`, reason: "api_key_unknown" },
    { name: "another id", text: `sgk-team-b-${secret}`, reason: "api_key_unknown" },
    { name: "an id of the object's prototype", text: `sgk-constructor-${secret}`, reason: "api_key_unknown" },
    { name: "another key's id", text: `sgk-team-a-2-${secret}`, reason: "api_key_unknown" },
    { name: "a secret of zeros", text: `sgk-nobody-${"A".repeat(43)}`, reason: "api_key_unknown" },
  ])("with $name is refused with $reason", ({ text, reason }) => {
    expect(codeAt(text)).toBe(reason);
  });
});
