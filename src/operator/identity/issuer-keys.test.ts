import { beforeEach, describe, expect, test, vi } from "vitest";
import { newSigner, type Signer } from "../../../test/fixtures/pod-tokens.ts";
import { FakeClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { podIdentitySchema, podKeysMax } from "../../config/pod-identity.ts";
import { publicKeysIn } from "./issuer-documents.ts";
import { IssuerKeys, issuerPollMs, issuerRetryMs } from "./issuer-keys.ts";

const issuer = "https://kubernetes.default.svc.cluster.local";
const tokenMs = 600_000;
const [first, second, rsa] = [newSigner(), newSigner("ES384"), newSigner("RS256")];

let clock: FakeClock;
let documents: { discovery: unknown; keys: unknown };
let changes: number;
let asked: string[];
let keys: IssuerKeys;

const serve = (...signers: readonly Signer[]): void => {
  documents = { discovery: { issuer, jwks_uri: `${issuer}/keys` }, keys: { keys: signers.map(({ jwk }) => jwk) } };
};
const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
/** An API server that serves the two documents, or fails where one is an Error. */
const raw = async (path: string): Promise<string> => {
  asked.push(path);
  const document = path === "/openid/v1/jwks" ? documents.keys : documents.discovery;
  if (document instanceof Error) throw document;
  return textOf(document);
};
const kids = (): readonly string[] | undefined => keys.identity?.jwks.keys.map(({ kid }) => kid);
const sorted = (...signers: readonly Signer[]): string[] => signers.map(({ kid }) => kid).sort();

beforeEach(() => {
  clock = new FakeClock();
  changes = 0;
  asked = [];
  keys = new IssuerKeys({ api: { raw }, tokenMs, clock, log: silentLog(), changed: () => void changes++ });
  serve(first);
});

test("nothing is known before the first answer, and it says so", () => {
  expect([keys.identity, keys.ageSeconds]).toEqual([undefined, undefined]);
  expect(keys.fault).toContain("has not been asked");
});

test("issuer and keys are what the API server says, and what sidecars take", async () => {
  serve(first, rsa);
  await keys.look();
  expect(asked.toSorted()).toEqual(["/.well-known/openid-configuration", "/openid/v1/jwks"]);
  expect(keys.identity).toMatchObject({ issuer, audience: "sidegate" });
  expect(podIdentitySchema.parse(keys.identity)).toEqual(keys.identity);
  expect(kids()).toEqual(sorted(first, rsa));
  expect([keys.fault, keys.ageSeconds, changes]).toEqual([undefined, 0, 1]);
});

test("what has not changed is not published again, in whatever order it comes", async () => {
  serve(first, second);
  await keys.look();
  const before = keys.identity;
  serve(second, first);
  await keys.look();
  expect(keys.identity).toBe(before);
  expect(changes).toBe(1);
});

test("an old key is published until the last token that it signed has ended", async () => {
  await keys.look();
  serve(second);
  clock.advance(issuerPollMs);
  await keys.look();
  expect(kids()).toEqual(sorted(first, second));
  clock.advance(tokenMs);
  await keys.look();
  expect(kids()).toEqual(sorted(first, second));
  clock.advance(issuerPollMs);
  await keys.look();
  expect(kids()).toEqual([second.kid]);
  expect(changes).toBe(3);
});

test("API servers that answer by turns with old and new keys change nothing in between", async () => {
  for (let i = 0; i < 6; i++) {
    serve(i % 2 === 0 ? first : second);
    await keys.look();
  }
  expect(kids()).toEqual(sorted(first, second));
  expect(changes).toBe(2);
});

test("of many old keys only so many are kept that sidecars take the config", async () => {
  const many = Array.from({ length: podKeysMax + 4 }, () => newSigner());
  for (const signer of many) {
    serve(signer);
    await keys.look();
  }
  expect(kids()).toHaveLength(podKeysMax);
  expect(kids()).toContain(many.at(-1)?.kid);
  expect(podIdentitySchema.safeParse(keys.identity).success).toBe(true);
});

test("keys of another issuer are not kept beside the new one's", async () => {
  await keys.look();
  serve(second);
  documents.discovery = { issuer: "https://other.example" };
  await keys.look();
  expect(keys.identity).toMatchObject({ issuer: "https://other.example", jwks: { keys: [second.jwk] } });
});

describe("what was known stays, and the fault is said, when", () => {
  const jwk = first.jwk;
  test.each([
    { name: "the API server does not answer", keys: new Error("no answer within 10000 ms"), says: "no answer" },
    { name: "it forbids", discovery: new Error("forbidden"), says: "forbidden" },
    { name: "the discovery is not JSON", discovery: "<html>", says: "discovery document is no JSON object" },
    { name: "the discovery names no issuer", discovery: {}, says: "names no issuer" },
    { name: "the issuer is a number", discovery: { issuer: 1 }, says: "names no issuer" },
    { name: "the issuer is longer than any", discovery: { issuer: "x".repeat(3000) }, says: "issuer:" },
    { name: "the key set is null", keys: "null", says: "key set is no JSON object" },
    { name: "the key set has no list", keys: { keys: {} }, says: "no list" },
    { name: "the list is empty", keys: { keys: [] }, says: "holds no key" },
    {
      name: "no key is of a known kind",
      keys: { keys: [{ kty: "OKP", crv: "Ed25519", x: "x", kid: "k" }, 1] },
      says: "holds no key",
    },
    { name: "a kid comes twice", keys: { keys: [jwk, { ...second.jwk, kid: jwk.kid }] }, says: "a kid twice" },
    {
      name: "there are too many",
      keys: { keys: Array.from({ length: podKeysMax + 1 }, (_, i) => ({ ...jwk, kid: `k${i}` })) },
      says: "at most",
    },
    { name: "the document is too large", keys: `{"x":"${"x".repeat(300_000)}"}`, says: "larger than" },
    { name: "a private key was published", keys: { keys: [{ ...jwk, d: "geheim" }] }, says: "private key" },
    { name: "a shared key was published", keys: { keys: [jwk, { kty: "oct", k: "geheim" }] }, says: "private key" },
  ])("$name", async ({ says, ...changed }) => {
    await keys.look();
    const before = keys.identity;
    documents = { ...documents, ...changed };
    clock.advance(issuerPollMs);
    await keys.look();
    expect(keys.fault).toContain(says);
    expect(keys.fault).not.toContain("geheim");
    expect(keys.identity).toBe(before);
    expect(keys.ageSeconds).toBe(issuerPollMs / 1000);
    serve(first);
    await keys.look();
    expect([keys.fault, keys.ageSeconds]).toEqual([undefined, 0]);
  });
});

test("it is asked every five minutes, sooner after a failure, and no more after the end", async () => {
  vi.useFakeTimers();
  try {
    documents.keys = new Error("away");
    await keys.start();
    serve(first);
    await vi.advanceTimersByTimeAsync(issuerRetryMs);
    expect([asked.length, keys.fault]).toEqual([4, undefined]);
    await vi.advanceTimersByTimeAsync(issuerPollMs - 1);
    expect(asked).toHaveLength(4);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toHaveLength(6);
    keys.stop();
    await vi.advanceTimersByTimeAsync(2 * issuerPollMs);
    expect(asked).toHaveLength(6);
  } finally {
    vi.useRealTimers();
  }
});

test("of a key only what verifies is published, and small RSA keys are left out", () => {
  const small = newSigner("RS256", 1024);
  const noisy = { ...first.jwk, x5c: ["MIIB"], ext: true, key_ops: ["verify"] };
  expect(publicKeysIn(JSON.stringify({ keys: [noisy, small.jwk] }))).toEqual([first.jwk]);
});
