import { describe, expect, test } from "vitest";
import { callerSigner } from "../../../test/fixtures/caller-tokens.ts";
import { FakeClock } from "../../base/clock.ts";
import { DocumentFault } from "../upstream/document.ts";
import { IssuerKeys, keysFreshMs, keysKeptMs, missIntervalMs } from "./issuer-keys.ts";
import { KeyRing } from "./key-ring.ts";

const ring = new KeyRing([callerSigner().jwk]);

interface Stage {
  readonly clock: FakeClock;
  readonly keys: IssuerKeys;
  readonly results: string[];
  fetches: number;
  /** Whether the issuer answers. */
  isUp: boolean;
}

const stageOf = (random = 0): Stage => {
  const clock = new FakeClock();
  const results: string[] = [];
  const fetch = async (): Promise<KeyRing> => {
    stage.fetches++;
    if (stage.isUp) return ring;
    throw new DocumentFault("unavailable", "login.example.com cannot be reached");
  };
  const keys = new IssuerKeys({ fetch, clock, random: () => random, ended: (result) => void results.push(result) });
  const stage: Stage = { clock, keys, results, fetches: 0, isUp: true };
  return stage;
};

describe("an issuer's keys", () => {
  test("are there once they were fetched, and one fetch serves all who ask", async () => {
    const { keys, results, clock } = stageOf();
    expect([keys.ring(), keys.ageSeconds]).toEqual([undefined, undefined]);
    const loading = keys.load();
    expect([keys.load(), keys.missed()]).toEqual([loading, loading]);
    await loading;
    clock.advance(1_500);
    expect([keys.ring(), keys.ageSeconds, results]).toEqual([ring, 1.5, ["ok"]]);
    expect(keys.view()).toEqual({ state: "fresh", keys: 1, ageSeconds: 1.5 });
  });

  test.each([
    { random: 0, atMs: keysFreshMs },
    { random: 1, atMs: keysFreshMs * 0.9 },
  ])("are fetched anew at their age, up to a tenth earlier by chance ($random)", async ({ random, atMs }) => {
    const stage = stageOf(random);
    await stage.keys.load();
    stage.clock.advance(atMs - 1);
    stage.keys.look();
    expect(stage.fetches).toBe(1);
    stage.clock.advance(1);
    stage.keys.look();
    expect(stage.fetches).toBe(2);
    expect(stage.keys.ring()).toBe(ring); // nobody waits
  });

  test("are used for a day while they cannot be renewed, and come back", async () => {
    const stage = stageOf();
    await stage.keys.load();
    stage.isUp = false;
    stage.clock.advance(keysKeptMs - 1);
    await stage.keys.load();
    expect([stage.keys.ring(), stage.keys.view().state]).toEqual([ring, "stale"]);
    expect(stage.keys.view().lastFault).toBe("login.example.com cannot be reached");
    stage.clock.advance(1);
    expect([stage.keys.ring(), stage.keys.view().state]).toEqual([undefined, "missing"]);
    stage.isUp = true;
    stage.clock.advance(30_000);
    await stage.keys.load();
    expect([stage.keys.ring(), stage.keys.view().state]).toEqual([ring, "fresh"]);
  });

  test("are asked for less and less often while that fails, whoever wants them", async () => {
    const stage = stageOf();
    stage.isUp = false;
    const waits: number[] = [];
    for (let i = 0; i < 7; i++) {
      await stage.keys.load();
      waits.push(stage.keys.retryAfterMs());
      stage.clock.advance(stage.keys.retryAfterMs() - 1);
      stage.keys.look();
      expect([stage.keys.load(), stage.keys.missed()]).toEqual([undefined, undefined]);
      stage.clock.advance(1);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect([stage.fetches, stage.results.length]).toEqual([7, 7]);
  });

  test("are asked for once in 30 s for keys that they do not hold", async () => {
    const stage = stageOf();
    await stage.keys.load();
    for (let i = 0; i < 100; i++) await stage.keys.missed();
    expect(stage.fetches).toBe(2);
    stage.clock.advance(missIntervalMs - 1);
    expect(stage.keys.missed()).toBeUndefined();
    stage.clock.advance(1);
    await stage.keys.missed();
    expect(stage.fetches).toBe(3);
  });

  test("are not lost to a fault that nobody thought of", async () => {
    const clock = new FakeClock();
    const results: string[] = [];
    const fetch = (): Promise<KeyRing> => Promise.reject(new TypeError("canary"));
    const keys = new IssuerKeys({ fetch, clock, random: () => 0, ended: (result) => void results.push(result) });
    await keys.load();
    expect([results, keys.view().lastFault]).toEqual([["invalid"], "the keys cannot be read"]);
  });
});
