import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { silentLog } from "../base/log.ts";
import { FakeTimers } from "./timers.ts";
import { WorkQueue } from "./work-queue.ts";

const open = (random = () => 1) => {
  const time = new FakeTimers();
  return { time, queue: new WorkQueue({ clock: time, timers: time, log: silentLog(), random }) };
};

/** A handler that waits until it is let go. */
const held = () => {
  const runs: string[] = [];
  const gates: (() => void)[] = [];
  const handler = (key: string): Promise<void> => {
    runs.push(key);
    return new Promise((resolve) => gates.push(resolve));
  };
  return { runs, handler, release: () => gates.shift()?.() };
};

describe("a work queue", () => {
  test("runs a key once however often it was added before its run began", async () => {
    const { time, queue } = open();
    const { runs, handler } = held();
    for (let i = 0; i < 5; i++) queue.add("a");
    queue.add("b");
    expect(queue.depth).toBe(2);
    void queue.run(2, handler);
    await time.pass(0);
    expect(runs).toEqual(["a", "b"]);
    expect([queue.depth, queue.underWay]).toEqual([0, 2]);
  });

  test("runs a key once more when it is added during its run, and never twice at once", async () => {
    const { time, queue } = open();
    const { runs, handler, release } = held();
    void queue.run(4, handler);
    queue.add("a");
    await time.pass(0);
    queue.add("a");
    queue.add("a");
    await time.pass(0);
    expect(runs).toEqual(["a"]);
    release();
    await time.pass(0);
    expect(runs).toEqual(["a", "a"]);
    release();
    await time.pass(0);
    expect(runs).toEqual(["a", "a"]);
  });

  test("never has more keys under way than workers", async () => {
    const { time, queue } = open();
    const { runs, handler, release } = held();
    void queue.run(2, handler);
    for (const key of ["a", "b", "c"]) queue.add(key);
    await time.pass(0);
    expect(runs).toEqual(["a", "b"]);
    release();
    await time.pass(0);
    expect(runs).toEqual(["a", "b", "c"]);
  });

  test("retries a key whose handler throws with delays that double up to the bound, and begins anew after a success", async () => {
    const { time, queue } = open();
    const atMs: number[] = [];
    let isFailing = true;
    const startMs = time.monotonicMs();
    void queue.run(1, async () => {
      atMs.push(time.monotonicMs() - startMs);
      if (isFailing) throw new Error("not yet");
    });
    queue.add("a");
    await time.pass(700);
    expect(atMs).toEqual([0, 5, 15, 35, 75, 155, 315, 635]);
    for (let i = 0; i < 30; i++) queue.addRateLimited("b");
    expect(queue.failures("b")).toBe(30);
    isFailing = false;
    await time.pass(300_000);
    expect(queue.failures("a")).toBe(0);
    expect(queue.failures("b")).toBe(0);
    expect(queue.delayed).toBe(0);
  });

  test.each([
    { jitter: 0, shortestMs: 150_000 },
    { jitter: 0.999, shortestMs: 299_000 },
  ])(
    "waits at most five minutes between two tries, and jitter ($jitter) only shortens",
    async ({ jitter, shortestMs }) => {
      const { time, queue } = open(() => jitter);
      const atMs: number[] = [];
      void queue.run(1, async () => {
        atMs.push(time.monotonicMs());
        throw new Error("never");
      });
      queue.add("a");
      await time.pass(3_600_000);
      const lastMs = (atMs.at(-1) ?? 0) - (atMs.at(-2) ?? 0);
      expect(lastMs).toBeGreaterThanOrEqual(shortestMs);
      expect(lastMs).toBeLessThanOrEqual(300_000);
    },
  );

  test("of several delays of a key the earliest counts", async () => {
    const { time, queue } = open();
    const { runs, handler, release } = held();
    void queue.run(1, handler);
    queue.addAfter("a", 1_000);
    queue.addAfter("a", 100);
    queue.addAfter("a", 5_000);
    await time.pass(99);
    expect(runs).toEqual([]);
    await time.pass(1);
    expect(runs).toEqual(["a"]);
    release();
    await time.pass(10_000);
    expect(runs).toEqual(["a"]);
  });

  test("keeps its delays when the handler asked for a retry itself", async () => {
    const { time, queue } = open();
    void queue.run(1, (key) => queue.addRateLimited(key));
    queue.add("a");
    await time.pass(80);
    expect(queue.failures("a")).toBe(5); // at 0, 5, 15, 35, 75
  });

  test("stops after the runs under way, drops what waits and takes nothing more", async () => {
    const { time, queue } = open();
    const { runs, handler, release } = held();
    const ran = queue.run(1, handler);
    queue.add("a");
    queue.add("b");
    queue.addAfter("c", 10);
    await time.pass(0);
    let isStopped = false;
    const stopped = queue.stop().then(() => {
      isStopped = true;
    });
    queue.add("d");
    await time.pass(20);
    expect(isStopped).toBe(false);
    release();
    await Promise.all([stopped, ran]);
    expect(runs).toEqual(["a"]);
    expect(time.pending).toBe(0);
  });

  test("works off what waits before it stops when it is asked to", async () => {
    const { queue } = open();
    const runs: string[] = [];
    const ran = queue.run(1, async (key) => void runs.push(key));
    for (const key of ["a", "b", "c"]) queue.add(key);
    await Promise.all([queue.stop({ isDraining: true }), ran]);
    expect(runs).toEqual(["a", "b", "c"]);
  });

  test("never runs a key twice at once, and starts a run after every add", async () => {
    const step = fc.record({
      key: fc.constantFrom("a", "b", "c"),
      action: fc.constantFrom("add", "later", "limited", "pass", "end", "fail"),
      ms: fc.integer({ min: 1, max: 50 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 3 }), async (steps, workers) => {
        const { time, queue } = open();
        const underWay = new Map<string, { resolve: () => void; reject: (fault: Error) => void }>();
        const lastAdd = new Map<string, number>();
        const lastStart = new Map<string, number>();
        let sequence = 0;
        let overlaps = 0;
        void queue.run(workers, (key) => {
          if (underWay.has(key)) overlaps += 1;
          lastStart.set(key, ++sequence);
          return new Promise((resolve, reject) => underWay.set(key, { resolve, reject }));
        });
        const finish = (key: string, isFailed: boolean): void => {
          const run = underWay.get(key);
          underWay.delete(key);
          if (isFailed) run?.reject(new Error("failed"));
          else run?.resolve();
        };
        for (const { key, action, ms } of steps) {
          if (["add", "later", "limited"].includes(action)) lastAdd.set(key, ++sequence);
          if (action === "add") queue.add(key);
          if (action === "later") queue.addAfter(key, ms);
          if (action === "limited") queue.addRateLimited(key);
          if (action === "end" || action === "fail") finish(key, action === "fail");
          await time.pass(action === "pass" ? ms : 0);
          expect(queue.underWay).toBeLessThanOrEqual(workers);
        }
        for (let i = 0; i < 200 && (underWay.size > 0 || queue.depth > 0 || queue.delayed > 0); i++) {
          for (const key of [...underWay.keys()]) finish(key, false);
          await time.pass(300_000);
        }
        expect(overlaps).toBe(0);
        for (const [key, added] of lastAdd) expect(lastStart.get(key) ?? 0).toBeGreaterThan(added);
      }),
      { numRuns: 150 },
    );
  });
});
