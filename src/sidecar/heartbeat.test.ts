import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { silentLog } from "../base/log.ts";
import { beatIntervalMs, beatTtlMs, decodeBeat } from "../redis/heartbeat.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { BeatStore } from "./ports/beat-store.ts";

/** Keeps what is put; `hold` keeps a put from ending. */
class Beats implements BeatStore {
  readonly put_: string[] = [];
  readonly removed: string[] = [];
  fault: Error | undefined;
  hold: Promise<void> | undefined;
  async put({ text, ttlMs }: { readonly text: string; readonly ttlMs: number }): Promise<void> {
    expect(ttlMs).toBe(beatTtlMs);
    this.put_.push(decodeBeat(text)?.digest ?? "none");
    await this.hold;
    if (this.fault) throw this.fault;
  }
  recovered: () => void = () => undefined;
  onRecovered(listener: () => void): void {
    this.recovered = listener;
  }
  async remove(namespace: string, pod: string): Promise<void> {
    this.removed.push(`${namespace}/${pod}`);
    if (this.fault) throw this.fault;
  }
}

let beats: Beats;
let digest: string;
let failures: number;
const heartbeat = (): Heartbeat =>
  new Heartbeat({
    store: beats,
    namespace: "team",
    pod: "pod-1",
    say: () => ({ instance: "ab12", contract: 1, digest, release: "0.1.0" }),
    log: silentLog(),
    failed: () => void failures++,
    random: () => 1,
  });

beforeEach(() => {
  vi.useFakeTimers();
  beats = new Beats();
  digest = "one";
  failures = 0;
});
afterEach(() => void vi.useRealTimers());

test("is written at once when the store is back", async () => {
  heartbeat().start();
  await vi.advanceTimersByTimeAsync(1);
  beats.recovered();
  await vi.advanceTimersByTimeAsync(1);
  expect(beats.put_).toHaveLength(2);
});

test("is written at the start and every ten seconds", async () => {
  const each = heartbeat();
  each.start();
  await vi.advanceTimersByTimeAsync(2 * beatIntervalMs);
  expect(beats.put_).toEqual(["one", "one", "one"]);
});

test("is written at once when something changed, and the interval begins anew", async () => {
  const each = heartbeat();
  each.start();
  await vi.advanceTimersByTimeAsync(beatIntervalMs / 2);
  digest = "two";
  each.now();
  await vi.advanceTimersByTimeAsync(beatIntervalMs - 1);
  expect(beats.put_).toEqual(["one", "two"]);
});

test("is never written twice at a time: what changed meanwhile stands in the next", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  beats.hold = promise;
  const each = heartbeat();
  each.start();
  for (digest of ["two", "three"]) each.now();
  await vi.advanceTimersByTimeAsync(0);
  expect(beats.put_).toEqual(["one"]);
  resolve();
  await vi.advanceTimersByTimeAsync(0);
  expect(beats.put_).toEqual(["one", "three"]);
});

test("that cannot be written is counted and tried again in its time", async () => {
  beats.fault = new Error("away");
  heartbeat().start();
  await vi.advanceTimersByTimeAsync(beatIntervalMs);
  expect(failures).toBe(2);
  beats.fault = undefined;
  await vi.advanceTimersByTimeAsync(beatIntervalMs);
  expect(failures).toBe(2);
});

test("is taken away at the end, and never comes back", async () => {
  const each = heartbeat();
  each.start();
  each.now();
  await each.stop();
  each.now();
  await each.stop();
  await vi.advanceTimersByTimeAsync(3 * beatIntervalMs);
  expect(beats.removed).toEqual(["team/pod-1"]);
  expect(beats.put_).toEqual(["one"]);
});
