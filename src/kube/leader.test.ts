import { describe, expect, test } from "vitest";
import { type Before, FakeCluster, refusal } from "../../test/fixtures/fake-cluster.ts";
import { silentLog } from "../base/log.ts";
import { LeaderElection, type LeaderElectionOptions } from "./leader.ts";
import { leaseRecordOf } from "./lease.ts";
import { resources } from "./port.ts";
import { FakeTimers } from "./timers.ts";

const lease = { namespace: "sidegate", name: "operator" };

/** Replicas with clocks of their own; `pass` moves those that are not frozen. */
const election = () => {
  const cluster = new FakeCluster();
  const times: FakeTimers[] = [];
  const stand = (
    identity: string,
    more: Partial<LeaderElectionOptions> & { before?: Before; startMs?: number } = {},
  ) => {
    const time = new FakeTimers(more.startMs);
    times.push(time);
    const calls: string[] = [];
    const candidate = new LeaderElection({
      ...lease,
      api: cluster.api(more.before),
      identity,
      clock: time,
      timers: time,
      log: silentLog(),
      onStarted: () => void calls.push("started"),
      onStopped: () => void calls.push("stopped"),
      random: () => 1,
      ...more,
    });
    candidate.start();
    return { time, candidate, calls };
  };
  const pass = async (ms: number, frozen: readonly FakeTimers[] = []): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100)
      for (const time of times) if (!frozen.includes(time)) await time.pass(100);
  };
  const record = () => leaseRecordOf(cluster.find(resources.leases, lease) ?? { metadata: lease });
  return { cluster, stand, pass, record };
};

describe("leader election", () => {
  test("makes the Lease, leads, renews, and keeps the other out", async () => {
    const { cluster, stand, pass, record } = election();
    const a = stand("a");
    await pass(100);
    const b = stand("b");
    await pass(60_000);
    expect([a.candidate.isLeading(), b.candidate.isLeading()]).toEqual([true, false]);
    expect([a.calls, b.calls]).toEqual([["started"], []]);
    expect(b.candidate.leader).toBe("a");
    expect(record()).toMatchObject({ holder: "a", leaseSeconds: 15, transitions: 0 });
    expect(cluster.find(resources.leases, lease)?.["spec"]).toMatchObject({
      renewTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    });
  });

  test("writes once a renewal and reads nothing while it leads", async () => {
    const { cluster, stand, pass } = election();
    stand("a");
    await pass(20_000);
    expect(cluster.counts).toEqual({ get: 1, create: 1, replace: 10 });
  });

  test("of three that start at once exactly one leads at any moment, and each of them may", async () => {
    const { stand, pass } = election();
    const all = ["a", "b", "c"].map((identity) => stand(identity));
    for (let i = 0; i < 50; i++) {
      await pass(100);
      expect(all.filter(({ candidate }) => candidate.isLeading()).length).toBeLessThanOrEqual(1);
    }
    for (let left = 3; left > 0; left--) {
      const leader = all.find(({ candidate }) => candidate.isLeading());
      expect(leader).toBeDefined();
      await leader?.candidate.stop();
      await pass(1_200);
    }
    expect(all.map(({ calls }) => calls)).toEqual(Array(3).fill(["started", "stopped"]));
  });

  test("hands over within one look of the other when it is stopped", async () => {
    const { stand, pass, record } = election();
    const a = stand("a");
    await pass(100);
    const b = stand("b");
    await pass(5_000);
    await a.candidate.stop();
    expect(a.candidate.isLeading()).toBe(false);
    expect(record()).toMatchObject({ holder: "", leaseSeconds: 1 });
    await pass(1_100);
    expect(b.candidate.isLeading()).toBe(true);
    expect(record()).toMatchObject({ holder: "b", leaseSeconds: 15, transitions: 1 });
  });

  test("gives the Lease away only after its work has ended", async () => {
    const { stand, pass, record } = election();
    const ended = Promise.withResolvers<void>();
    const a = stand("a", { onStopped: () => ended.promise });
    await pass(1_000);
    const stopped = a.candidate.stop();
    await pass(1_000);
    expect(record().holder).toBe("a");
    ended.resolve();
    await stopped;
    expect(record().holder).toBe("");
  });

  test("another takes over from a killed leader within 17 s and not before 15 s", async () => {
    const { stand, pass } = election();
    const a = stand("a");
    await pass(100);
    const b = stand("b");
    await pass(6_000);
    await pass(14_900, [a.time]);
    expect(b.candidate.isLeading()).toBe(false);
    await pass(2_100, [a.time]);
    expect(b.candidate.isLeading()).toBe(true);
  });

  test("a leader that was frozen and thaws knows at the first look that it leads no more", async () => {
    const { stand, pass, record } = election();
    const a = stand("a");
    await pass(100);
    const b = stand("b");
    await pass(6_000);
    await pass(30_000, [a.time]);
    expect(b.candidate.isLeading()).toBe(true);
    a.time.advance(30_000); // thawed: time has passed, no timer has run yet
    expect(a.candidate.isLeading()).toBe(false);
    await pass(5_000);
    expect(a.calls).toEqual(["started", "stopped"]);
    expect([record().holder, b.calls]).toEqual(["b", ["started"]]);
  });

  test.each([-3_600_000, 3_600_000])("wall clocks %i ms apart change nothing", async (skewMs) => {
    const { stand, pass } = election();
    const a = stand("a");
    await pass(100);
    const b = stand("b", { startMs: 1_700_000_000_000 + skewMs });
    await pass(60_000);
    expect([a.calls, b.calls]).toEqual([["started"], []]);
    await pass(17_000, [a.time]);
    expect(b.candidate.isLeading()).toBe(true);
  });

  test("stops leading on its own after renewSeconds without the API server, and before another can begin", async () => {
    const { stand, pass } = election();
    let isAway = false;
    const a = stand("a", { before: () => (isAway ? Promise.reject(refusal(500, "InternalError")) : undefined) });
    await pass(100);
    const b = stand("b");
    await pass(6_000);
    isAway = true;
    await pass(11_000);
    expect([a.candidate.isLeading(), b.candidate.isLeading()]).toEqual([false, false]);
    expect(a.calls).toEqual(["started", "stopped"]);
    await pass(7_000);
    expect(b.candidate.isLeading()).toBe(true);
    isAway = false;
    await pass(10_000);
    expect([a.calls, b.calls]).toEqual([["started", "stopped"], ["started"]]);
  });

  test("leads on after a server that was away for less than renewSeconds, also where requests hang", async () => {
    const { stand, pass } = election();
    let isHanging = false;
    const a = stand("a", { before: () => (isHanging ? new Promise(() => undefined) : undefined) });
    await pass(4_100);
    isHanging = true;
    await pass(5_000);
    isHanging = false;
    await pass(10_000);
    expect(a.calls).toEqual(["started"]);
    expect(a.candidate.isLeading()).toBe(true);
  });

  test("leads again after it lost the Lease to nobody", async () => {
    const { cluster, stand, pass } = election();
    const a = stand("a");
    await pass(3_000);
    cluster.remove(resources.leases, lease);
    await pass(5_000);
    expect(a.candidate.isLeading()).toBe(true);
    expect(a.calls).toEqual(["started"]);
  });

  test("a renewal that was given up and succeeds later takes nothing back from the next leader", async () => {
    const { stand, pass, record } = election();
    const gate = Promise.withResolvers<void>();
    let isHolding = false;
    const a = stand("a", { before: (verb) => (isHolding && verb === "replace" ? gate.promise : undefined) });
    await pass(100);
    const b = stand("b");
    await pass(6_000);
    isHolding = true;
    await pass(20_000, []);
    expect([a.candidate.isLeading(), b.candidate.isLeading(), record().holder]).toEqual([false, true, "b"]);
    gate.resolve();
    await pass(1_000);
    expect([a.candidate.isLeading(), b.candidate.isLeading(), record().holder]).toEqual([false, true, "b"]);
  });

  test.each([{ leaseSeconds: 10, renewSeconds: 10 }, { renewSeconds: 3, retrySeconds: 2 }, { retrySeconds: 0 }])(
    "times that cannot work are refused: %j",
    (times) => {
      expect(() => election().stand("a", times)).toThrow(RangeError);
    },
  );
});
