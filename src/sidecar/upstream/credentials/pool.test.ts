import { describe, expect, test } from "vitest";
import { FakeClock } from "../../../base/clock.ts";
import { CoolDowns, rateLimitedMsMax, unauthorizedMs } from "./cool-downs.ts";
import { type Credential, KeyCredential } from "./credential.ts";
import { CredentialPool, refusedAmong } from "./pool.ts";
import { CredentialTurn } from "./turn.ts";

const key = (name: string, weight = 1): KeyCredential =>
  new KeyCredential({ type: "Secret", name, value: `sk-${name}`, weight }, { type: "OpenAI", origin: "https://x" });

function stage(weights: Readonly<Record<string, number>>, random: () => number = () => 0) {
  const clock = new FakeClock();
  let turns = 0;
  const coolDowns = new CoolDowns(clock, () => void turns++);
  const credentials = Object.entries(weights).map(([name, weight]) => key(name, weight));
  const pool = new CredentialPool({ backend: "b", credentials, coolDowns, random });
  const named = (name: string): Credential => credentials.find((each) => each.name === name) ?? key(name);
  return { clock, coolDowns, pool, named, turns: () => turns };
}

describe("a pool", () => {
  test("shares by weight, and never chooses a weight of 0", () => {
    let point = 0;
    const { pool } = stage({ a: 1, none: 0, b: 3 }, () => (point++ % 100) / 100);
    const chosen = Array.from({ length: 400 }, () => pool.first()?.name);
    const count = (name: string): number => chosen.filter((each) => each === name).length;
    expect([count("a"), count("none"), count("b")]).toEqual([100, 0, 300]);
    expect(stage({ none: 0 }).pool.first()).toBeUndefined();
  });

  test("passes over those that rest, until their time is up", () => {
    const { clock, pool, named } = stage({ a: 1, b: 1 });
    pool.rest(named("a"), 429, 5_000);
    expect(pool.first()?.name).toBe("b");
    clock.advance(5_000);
    expect(pool.first()?.name).toBe("a");
  });

  test.each([
    { what: "a 429 that names no time", status: 429, waitMs: undefined, restMs: 1_000 },
    { what: "a 429 that says 0", status: 429, waitMs: 0, restMs: 1_000 },
    { what: "a 429 that asks for an hour", status: 429, waitMs: 3_600_000, restMs: rateLimitedMsMax },
    { what: "a 401, whatever it says", status: 401, waitMs: 1, restMs: unauthorizedMs },
  ])("rests for a bounded time after $what", ({ status, waitMs, restMs }) => {
    const { pool, named, coolDowns } = stage({ a: 1, b: 1 });
    pool.rest(named("a"), status, waitMs);
    expect(coolDowns.leftMs(named("a").id)).toBe(restMs);
  });

  test("where all rest, chooses the one that is free first, and a refused one last", () => {
    const { pool, named } = stage({ refused: 1, later: 1, sooner: 1 });
    pool.rest(named("refused"), 401, undefined);
    pool.rest(named("later"), 429, 60_000);
    pool.rest(named("sooner"), 429, 59_000);
    expect(pool.first()?.name).toBe("sooner");
    expect(pool.freeInMs()).toBe(59_000);
    expect(pool.views().map(({ state }) => state)).toEqual(["unauthorized", "rate_limited", "rate_limited"]);
  });

  test("knows a key by its value: a rotated one begins anew, and a config with the same one forgets nothing", () => {
    const { pool, named, coolDowns } = stage({ a: 1, b: 1 });
    pool.rest(named("a"), 401, undefined);
    const config = { type: "Secret", name: "a", weight: 1 } as const;
    const again = new KeyCredential({ ...config, value: "sk-a" }, { type: "OpenAI", origin: "https://x" });
    const rotated = new KeyCredential({ ...config, value: "sk-new" }, { type: "OpenAI", origin: "https://x" });
    const elsewhere = new KeyCredential({ ...config, value: "sk-a" }, { type: "OpenAI", origin: "https://y" });
    expect([again, rotated, elsewhere].map(({ id }) => coolDowns.of(id)?.reason)).toEqual([
      "unauthorized",
      undefined,
      undefined,
    ]);
  });
});

describe("a call's turn", () => {
  const turnOf = (pool: CredentialPool, canRepeat = true) => {
    const rests: string[] = [];
    return {
      rests,
      turn: new CredentialTurn({ pool, canRepeat, rests: (name, status) => rests.push(`${name} ${status}`) }),
    };
  };
  const sent = ["authorization", "Bearer x"];

  test("goes through every key once, and then the answer is passed on", () => {
    const { pool } = stage({ a: 1, b: 1, c: 1 });
    const { turn, rests } = turnOf(pool);
    const seen = [turn.first()?.name];
    while (turn.refused(sent, 429, 1_000)) seen.push(turn.next()?.name);
    expect(seen).toEqual(["a", "b", "c"]);
    expect(rests).toEqual(["a 429", "b 429", "c 429"]);
    expect(turn.isOut).toBe(true);
  });

  test("asks nobody who rests already", () => {
    const { pool, named } = stage({ a: 1, b: 1 });
    pool.rest(named("b"), 429, 5_000);
    const { turn } = turnOf(pool);
    expect([turn.first()?.name, turn.refused(sent, 429, undefined)]).toEqual(["a", false]);
  });

  test("asks no other where the request cannot be sent again, but lets the key rest", () => {
    const { pool } = stage({ a: 1, b: 1 });
    const { turn, rests } = turnOf(pool, false);
    turn.first();
    expect(turn.refused(sent, 401, undefined)).toBe(false);
    expect(rests).toEqual(["a 401"]);
    expect(pool.first()?.name).toBe("b");
  });

  test("asks with a renewed token once, and then with the next", () => {
    const { pool: keys, named } = stage({ key: 1 });
    const token: Credential = {
      name: "token",
      id: "t",
      weight: 1,
      headers: () => sent,
      refused: () => true,
      standing: () => ({ isAvailable: true }),
    };
    const pool = new CredentialPool({
      backend: "b",
      credentials: [token, named("key")],
      coolDowns: new CoolDowns(new FakeClock()),
      random: () => 0,
    });
    const { turn, rests } = turnOf(pool);
    const seen = [turn.first()?.name];
    while (turn.refused(sent, 401, undefined)) seen.push(turn.next()?.name);
    expect(seen).toEqual(["token", "token", "key"]);
    expect(rests).toEqual(["token 401", "key 401"]);
    expect(keys.first()?.name).toBe("key");
  });

  test("rather asks one that rests than none, when a credential has nothing to send", () => {
    const { pool, named } = stage({ a: 1, b: 1 });
    pool.rest(named("b"), 429, 5_000);
    const { turn } = turnOf(pool);
    turn.first();
    turn.pass();
    expect(turn.next()?.name).toBe("b");
    turn.pass();
    expect(turn.next()).toBeUndefined();
  });
});

describe("what is remembered of a refusal", () => {
  const state = (pool: CredentialPool): string | undefined => pool.views()[0]?.state;

  test("outlasts its rest, so that it is told until the credential works again", () => {
    const { clock, pool, named, turns } = stage({ a: 1, b: 1 });
    pool.rest(named("a"), 401, undefined);
    clock.advance(unauthorizedMs);
    expect([pool.first()?.name, state(pool)]).toEqual(["a", "unauthorized"]);
    pool.rest(named("a"), 401, undefined);
    pool.rest(named("b"), 429, 1_000);
    expect(turns()).toBe(1);
    pool.worked(named("a"), pool.refusals);
    expect([pool.first()?.name, state(pool), turns()]).toEqual(["a", "ready", 2]);
  });

  test("is kept when a call ends well that began before it", () => {
    const { pool, named, turns } = stage({ a: 1, b: 1 });
    const before = pool.refusals;
    pool.rest(named("a"), 401, undefined);
    pool.worked(named("a"), before);
    expect([state(pool), turns()]).toEqual(["unauthorized", 1]);
  });

  test.each([
    { status: 200, want: "ready" },
    { status: 404, want: "unauthorized" },
    { status: 503, want: "unauthorized" },
  ])("is $want after an answer of status $status", ({ status, want }) => {
    const { pool, named } = stage({ a: 1 });
    pool.rest(named("a"), 401, undefined);
    const turn = new CredentialTurn({ pool, canRepeat: true, rests: () => undefined });
    turn.first();
    turn.answered(status);
    expect(state(pool)).toBe(want);
  });

  test("is named by backend and credential, and no other is", () => {
    const { pool, named } = stage({ a: 1, b: 1 });
    pool.rest(named("b"), 429, 1_000);
    expect(refusedAmong(pool.views())).toEqual([]);
    pool.rest(named("a"), 401, undefined);
    expect(refusedAmong(pool.views())).toEqual([{ backend: "b", credential: "a" }]);
  });
});
