// Fault 29: a provider key is rotated every second while 200 calls a second run through a sidecar of its own process.
import { afterEach, expect, test } from "vitest";
import { type FakeProvider, startFakeProvider } from "../../src/fakeprovider/provider.ts";
import { type MountedSidecar, startMountedSidecar } from "../fixtures/mounted-sidecar.ts";
import { configFrom, openRoute } from "../fixtures/sidecar.ts";
import { byStatus, pause, steadyLoad } from "../fixtures/steady-load.ts";

const perSecond = 200;
/** What a busy machine must reach all the same; the rate that was reached is printed. */
const perSecondMin = 50;
/** With SIDEGATE_LONG=1 a minute. */
const rotations = process.env["SIDEGATE_LONG"] === "1" ? 60 : 10;
const periodMs = 1_000;
/** Keys that are replaced stay good for this many periods. */
const overlap = 5;
/** Between the swap of the folder and the first call with the new key at most, ms. */
const inForceMsMax = 2_500;

let provider: FakeProvider;
let sidecar: MountedSidecar;
afterEach(async () => {
  await sidecar.stop();
  await provider.close();
});

const keyOf = (turn: number): string => `sk-turn-${turn}`;
/** When the provider first saw each key. */
const firstMs = new Map<string, number>();
/** The provider remembers 10,000 requests, so it is asked in between. */
const look = (): void => {
  for (const { headers, atMs } of provider.requests) {
    const key = headers["authorization"]?.slice("Bearer ".length) ?? "";
    if (!firstMs.has(key)) firstMs.set(key, atMs);
  }
};
const configOf = (turn: number) => configFrom(openRoute(provider.url).replace("sk-main-key", keyOf(turn)));

test(
  "a key that is rotated every second fails no call, and every key is used",
  async () => {
    provider = await startFakeProvider({ keys: [keyOf(0)] });
    sidecar = await startMountedSidecar(configOf(0));
    const startMs = performance.now();
    const load = steadyLoad(sidecar.url, perSecond);
    await pause(periodMs);
    const publishedMs: number[] = [];
    for (let turn = 1; turn <= rotations; turn += 1) {
      provider.acceptKeys(Array.from({ length: overlap + 1 }, (_, back) => keyOf(Math.max(0, turn - back))));
      publishedMs.push(Date.now());
      sidecar.publish(configOf(turn));
      await pause(startMs + (turn + 1) * periodMs - performance.now());
      look();
    }
    const answers = await load.stop();
    look();

    const delaysMs = publishedMs.map((atMs, index) => (firstMs.get(keyOf(index + 1)) ?? Infinity) - atMs);
    const rate = Math.round(answers.length / (rotations + 1));
    console.log(
      `${rotations} rotations, ${answers.length} calls at ${rate}/s, statuses ${JSON.stringify(byStatus(answers))}, ` +
        `a new key is used after ${Math.max(...delaysMs)} ms at most`,
    );
    expect(byStatus(answers)).toEqual({ 200: answers.length });
    expect(rate).toBeGreaterThan(perSecondMin);
    expect(provider.requests.every(({ status }) => status === 200)).toBe(true);
    expect(Math.max(...delaysMs)).toBeLessThan(inForceMsMax);
  },
  (rotations + 30) * periodMs,
);
