import { describe, expect, test } from "vitest";
import { FakeClock } from "../../../base/clock.ts";
import { Secret } from "../../../base/secret.ts";
import { CredentialFault } from "./fault.ts";
import { TokenSource } from "./token-source.ts";

/** An endpoint that answers when it is told to. */
function stage(random = 0) {
  const clock = new FakeClock();
  const waiting: { give(token: string, lifeMs: number): Promise<void>; fail(fault: Error): Promise<void> }[] = [];
  const results: string[] = [];
  const settled = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) await Promise.resolve();
  };
  const source = new TokenSource({
    clock,
    random: () => random,
    headersOf: (token) => ["authorization", `Bearer ${token.reveal()}`],
    ended: (result) => results.push(result),
    exchange: () =>
      new Promise((resolve, reject) => {
        waiting.push({
          give(token, lifeMs) {
            resolve({ token: new Secret(token), lifeMs });
            return settled();
          },
          fail(fault) {
            reject(fault);
            return settled();
          },
        });
      }),
  });
  const next = () => {
    const exchange = waiting.shift();
    if (!exchange) throw new Error("no exchange is under way");
    return exchange;
  };
  return { clock, source, waiting, next, results };
}
const hour = 3_600_000;
const down = new CredentialFault("unavailable", "down");
const bearer = (token: string): string[] => ["authorization", `Bearer ${token}`];

/** A source that holds `a` for an hour. */
async function holding(random = 0) {
  const all = stage(random);
  const first = all.source.headers();
  await all.next().give("a", hour);
  expect(await first).toEqual(bearer("a"));
  return all;
}

describe("a token source", () => {
  test("makes one exchange, however many ask", async () => {
    const { source, waiting, next } = stage();
    const asked = Array.from({ length: 100 }, () => source.headers());
    expect(waiting.length).toBe(1);
    await next().give("a", hour);
    expect(new Set((await Promise.all(asked)).map((headers) => headers[1]))).toEqual(new Set(["Bearer a"]));
    expect(source.headers()).toEqual(bearer("a"));
    expect(waiting.length).toBe(0);
  });

  test.each([
    { life: "an hour is renewed 20 minutes before its end", lifeMs: hour, random: 0, renewMs: hour - 1_200_000 },
    { life: "an hour is renewed up to a fifth earlier by chance", lifeMs: hour, random: 1, renewMs: hour - 1_440_000 },
    { life: "a minute is renewed when a third is left", lifeMs: 60_000, random: 0, renewMs: 40_000 },
  ])("with a life of $life", async ({ lifeMs, random, renewMs }) => {
    const { clock, source, waiting, next } = stage(random);
    void source.headers();
    await next().give("a", lifeMs);
    clock.advance(renewMs - 1);
    expect(source.headers()).toEqual(bearer("a"));
    expect(waiting.length).toBe(0);
    clock.advance(2);
    expect(source.headers()).toEqual(bearer("a")); // nobody waits for the new one
    expect(source.headers()).toEqual(bearer("a"));
    expect(waiting.length).toBe(1);
    await next().give("b", lifeMs);
    expect(source.headers()).toEqual(bearer("b"));
  });

  test("counts the life of a token from the beginning of its exchange", async () => {
    const { clock, source, next } = stage();
    void source.headers();
    clock.advance(9_000);
    await next().give("a", 10_000);
    expect(source.endsInSeconds).toBe(1);
  });

  test("uses the old token while it cannot be renewed, until it ends, and then says so at once", async () => {
    const { clock, source, waiting, next, results } = await holding();
    for (let minute = 0; minute < 59; minute++) {
      clock.advance(60_000);
      expect(source.headers()).toEqual(bearer("a"));
      if (waiting.length > 0) await next().fail(down);
    }
    expect(results.filter((result) => result === "unavailable").length).toBe(20);
    clock.advance(60_000);
    const late = source.headers();
    await next().fail(down);
    await expect(late).rejects.toThrow("down");
    await expect(source.headers()).rejects.toMatchObject({ failure: "unavailable", retryAfterMs: 15_000 });
    expect(waiting.length).toBe(0);
    expect(source.isAvailable).toBe(false);
  });

  test("waits longer after each failure, never longer than 15 s, and begins anew after a success", async () => {
    const { clock, source, waiting, next } = stage();
    for (const waitMs of [1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
      const asked = source.headers();
      await next().fail(down);
      await expect(asked).rejects.toThrow("down");
      clock.advance(waitMs - 1);
      await expect(source.headers()).rejects.toThrow("down");
      expect(waiting.length).toBe(0);
      clock.advance(1);
    }
    void source.headers();
    await next().give("a", 1_000);
    clock.advance(1_000);
    const asked = source.headers();
    await next().fail(down);
    await expect(asked).rejects.toThrow("down");
    await expect(source.headers()).rejects.toMatchObject({ retryAfterMs: 1_000 });
  });

  test("heeds the endpoint's own Retry-After, up to a minute", async () => {
    const { clock, source, next } = stage();
    const asked = source.headers();
    await next().fail(new CredentialFault("unavailable", "busy", { retryAfterMs: 3_600_000 }));
    await expect(asked).rejects.toThrow("busy");
    clock.advance(1);
    await expect(source.headers()).rejects.toMatchObject({ retryAfterMs: 59_999 });
  });

  test("exchanges a refused token once, for all that were refused with it", async () => {
    const { source, waiting, next } = await holding();
    const used = await source.headers();
    expect([source.refused(used), source.refused(used)]).toEqual([true, true]);
    const renewed = [source.headers(), source.headers()];
    expect(waiting.length).toBe(1);
    await next().give("b", hour);
    expect(await Promise.all(renewed)).toEqual([bearer("b"), bearer("b")]);
    expect(source.refused(used)).toBe(true); // the newer one is there already
    expect(source.headers()).toEqual(bearer("b"));
  });

  test("does not exchange on every refusal: a token that is refused again at once stays refused", async () => {
    const { clock, source, waiting, next } = await holding();
    source.refused(await source.headers());
    void source.headers();
    await next().give("b", hour);
    const used = await source.headers();
    expect(source.refused(used)).toBe(false);
    expect(waiting.length).toBe(0);
    clock.advance(10_000);
    expect(source.refused(used)).toBe(true);
  });

  test("keeps a refused token when no other is to be had", async () => {
    const { source, next } = await holding();
    source.refused(await source.headers());
    const renewed = source.headers();
    await next().fail(down);
    await expect(renewed).rejects.toThrow("down");
    expect(source.headers()).toEqual(bearer("a"));
  });
});
