import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { claimsOf, goodToken, identityOf, newSigner, signedToken, testPod } from "../../../test/fixtures/pod-tokens.ts";
import { FakeClock } from "../../base/clock.ts";
import { createLog } from "../../base/log.ts";
import { clockLeewayMs } from "./claims.ts";
import { PodProof, unknownKeyKeptMs } from "./pod-proof.ts";

const old = newSigner();
const young = newSigner();
const tokenMs = 600_000;
let folder: string;
let file: string;
let clock: FakeClock;
let failures: string[];
let turns: number;
let logLines: string[];
let proof: PodProof;

const put = (text: string): void => {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
};
const proofOf = (token = { file, pod: testPod } as { file: string; pod: typeof testPod } | undefined): PodProof =>
  new PodProof({
    token,
    clock,
    log: createLog({ name: "test", level: "debug", destination: { write: (line) => void logLines.push(line) } }),
    failed: (reason) => void failures.push(reason),
    turned: () => void turns++,
  });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sidegate-proof-"));
  file = join(folder, "token-0");
  clock = new FakeClock();
  failures = [];
  turns = 0;
  logLines = [];
  proof = proofOf();
});
afterEach(() => {
  proof.stop();
  rmSync(folder, { recursive: true });
});

test("before the first look everything is refused", () => {
  expect(proof.refusal).toBe("not_verified_yet");
});

test("a good token is verified once, however often it is looked at", async () => {
  put(goodToken(old, clock.nowMs()));
  await proof.follow(identityOf(old));
  expect(proof.standing).toEqual({ kind: "verified" });
  for (let i = 0; i < 5; i++) await proof.look();
  expect([proof.refusal, failures, turns]).toEqual([undefined, [], 1]);
});

test("a rotated token is verified at the next look, and a bad one refuses at once", async () => {
  put(goodToken(old, clock.nowMs()));
  await proof.follow(identityOf(old));
  clock.advance(480_000);
  put(goodToken(old, clock.nowMs()));
  await proof.look();
  expect(proof.standing.kind).toBe("verified");
  put(goodToken(old, clock.nowMs(), { ...testPod, pod: "pod-2" }));
  await proof.look();
  expect(proof.refusal).toBe("pod_name_mismatch");
  rmSync(file);
  await proof.look();
  await proof.look();
  expect(proof.refusal).toBe("token_missing");
  put(goodToken(old, clock.nowMs()));
  await proof.look();
  expect(proof.standing.kind).toBe("verified");
  expect(failures).toEqual(["pod_name_mismatch", "token_missing"]);
});

test("a token that nobody renews is refused when it has ended", async () => {
  put(goodToken(old, clock.nowMs()));
  await proof.follow(identityOf(old));
  clock.advance(tokenMs + clockLeewayMs - 1000);
  await proof.look();
  expect(proof.refusal).toBeUndefined();
  clock.advance(1000);
  await proof.look();
  expect(proof.refusal).toBe("token_expired");
});

test("a token that is early is taken when its time has come, without a change of the file", async () => {
  put(goodToken(old, clock.nowMs() + 120_000));
  await proof.follow(identityOf(old));
  expect(proof.refusal).toBe("token_not_yet_valid");
  clock.advance(120_000 - clockLeewayMs);
  await proof.look();
  expect(proof.refusal).toBeUndefined();
});

test("a token of an unknown key keeps the identity, until a config brings the key", async () => {
  put(goodToken(old, clock.nowMs()));
  await proof.follow(identityOf(old));
  put(goodToken(young, clock.nowMs()));
  await proof.look();
  expect(proof.standing).toEqual({ kind: "held", reason: "key_unknown" });
  expect([proof.refusal, failures]).toEqual([undefined, ["key_unknown"]]);
  await proof.follow(identityOf(old, young));
  expect(proof.standing).toEqual({ kind: "verified" });
});

test("an unknown key is excused for a day since the last verification", async () => {
  put(goodToken(old, clock.nowMs()));
  await proof.follow(identityOf(old));
  for (let leftMs = unknownKeyKeptMs; leftMs > 0; leftMs -= tokenMs) {
    put(goodToken(young, clock.nowMs()));
    await proof.look();
    expect(proof.standing.kind).toBe("held");
    clock.advance(Math.min(tokenMs, leftMs));
  }
  await proof.look();
  expect(proof.refusal).toBe("key_unknown");
  put(goodToken(young, clock.nowMs()));
  await proof.look();
  expect(proof.refusal).toBe("key_unknown");
});

test("a wall clock that is set back does not make that day longer", async () => {
  let wallMs = clock.nowMs();
  const monotonic = new FakeClock();
  clock = Object.assign(new FakeClock(), { nowMs: () => wallMs, monotonicMs: () => monotonic.monotonicMs() });
  proof = proofOf();
  put(goodToken(old, wallMs));
  await proof.follow(identityOf(old));
  put(goodToken(young, wallMs));
  await proof.look();
  monotonic.advance(unknownKeyKeptMs);
  wallMs -= 60_000;
  await proof.look();
  expect(proof.refusal).toBe("key_unknown");
});

test("an unknown key is never excused where nothing was verified before", async () => {
  put(goodToken(young, clock.nowMs()));
  await proof.follow(identityOf(old));
  expect(proof.refusal).toBe("key_unknown");
});

test("a held identity ends with its token", async () => {
  put(goodToken(old, clock.nowMs()));
  await proof.follow(identityOf(old));
  put(goodToken(young, clock.nowMs()));
  await proof.look();
  clock.advance(tokenMs + clockLeewayMs);
  await proof.look();
  expect(proof.refusal).toBe("token_expired");
});

test.each([
  { name: "another pod's", changed: { pod: { name: "pod-2", uid: "u" } }, reason: "pod_name_mismatch" },
  { name: "a node's", changed: { pod: undefined }, reason: "bound_to_node" },
])("an unknown key does not excuse $name token", async ({ changed, reason }) => {
  put(goodToken(old, clock.nowMs()));
  await proof.follow(identityOf(old));
  const claims = claimsOf(clock.nowMs());
  const kubernetes = { ...(claims["kubernetes.io"] as object), ...changed }; // an object
  put(signedToken(young, { ...claims, "kubernetes.io": kubernetes }));
  await proof.look();
  expect(proof.refusal).toBe(reason);
});

test("a config that takes the key away leaves the identity held, one with another issuer refuses", async () => {
  put(goodToken(old, clock.nowMs()));
  await proof.follow(identityOf(old));
  await proof.follow(identityOf(young));
  expect(proof.standing.kind).toBe("held");
  await proof.follow({ ...identityOf(young), issuer: "https://other.example" });
  expect(proof.refusal).toBe("issuer_mismatch");
});

test("a mounted token without a config to verify it by is refused, at once", async () => {
  put(goodToken(old, clock.nowMs()));
  await proof.follow(identityOf(old));
  void proof.follow(undefined);
  expect(proof.refusal).toBe("identity_not_configured");
  await proof.look();
  expect(proof.refusal).toBe("identity_not_configured");
  await proof.follow(identityOf(old));
  expect(proof.refusal).toBeUndefined();
});

test("a config that came during a judgement has the last word", async () => {
  put(goodToken(old, clock.nowMs()));
  const judging = proof.follow(identityOf(old));
  void proof.follow(undefined);
  await judging;
  expect(proof.refusal).toBe("identity_not_configured");
});

test("a config that wants a token where none is mounted is refused; where neither is, nothing is", async () => {
  const without = new PodProof({
    token: undefined,
    clock,
    log: logOf(),
    failed: () => undefined,
    turned: () => undefined,
  });
  await without.follow(identityOf(old));
  expect(without.refusal).toBe("token_not_mounted");
  await without.follow(undefined);
  expect([without.standing, without.refusal]).toEqual([{ kind: "unproven" }, undefined]);
  without.start();
  without.stop();
});

test("the file is followed from start to stop", async () => {
  put(goodToken(old, clock.nowMs()));
  await proof.follow(identityOf(old));
  proof.start();
  const turned = Promise.withResolvers<void>();
  const watched = new PodProof({
    token: { file, pod: testPod },
    clock,
    log: logOf(),
    failed: () => undefined,
    turned: () => watched.refusal === "token_malformed" && turned.resolve(),
  });
  await watched.follow(identityOf(old));
  watched.start();
  put("cut");
  await turned.promise;
  watched.stop();
});

test("the log says each turn once, and nothing of a token stands in it or in the status", async () => {
  const tokens = [goodToken(old, clock.nowMs()), goodToken(young, clock.nowMs()), "sk-canary.a.b"];
  for (const token of tokens) {
    put(token);
    await proof.follow(identityOf(old));
    await proof.look();
  }
  expect(logLines.map((line) => JSON.parse(line).msg)).toEqual([
    "identity verified",
    "the token's key is unknown: the identity that was verified is kept for a time",
    "identity refused: every request gets 403",
  ]);
  const said = logLines.join("") + JSON.stringify(proof.status());
  for (const part of tokens.join(".").split(".")) if (part.length > 8) expect(said).not.toContain(part);
  expect(proof.status()).toMatchObject({ standing: "refused", reason: "header_malformed" });
});

function logOf() {
  return createLog({ name: "test", level: "silent" });
}
