import { describe, expect, test } from "vitest";
import { type Before, FakeCluster, refusal } from "../../test/fixtures/fake-cluster.ts";
import { silentLog } from "../base/log.ts";
import { EventRecorder } from "./events.ts";
import { resources } from "./port.ts";
import { FakeTimers } from "./timers.ts";

const route = { apiVersion: "sidegate.dev/v1alpha1", kind: "AIRoute", namespace: "team", name: "support", uid: "u1" };
const note = (message = "The Secret openai has no key key-a.") =>
  ({ type: "Warning", reason: "SecretKeyMissing", message }) as const;

const open = (before?: Before) => {
  const cluster = new FakeCluster();
  const time = new FakeTimers();
  const api = cluster.api(before);
  const recorder = new EventRecorder({
    api,
    clock: time,
    timers: time,
    log: silentLog(),
    reportingInstance: "operator-0",
  });
  const written = async () => (await cluster.api().list(resources.events, {})).items;
  return { cluster, time, recorder, written };
};

describe("an event recorder", () => {
  test("writes an Event on the object", async () => {
    const { time, recorder, written } = open();
    recorder.record(route, note());
    await time.pass(0);
    expect(await written()).toMatchObject([
      {
        metadata: { namespace: "team", name: expect.stringMatching(/^support\.[0-9a-f]{16}$/) },
        eventTime: expect.stringMatching(/\.\d{6}Z$/),
        reportingController: "sidegate.dev/operator",
        reportingInstance: "operator-0",
        action: "Reconcile",
        note: "The Secret openai has no key key-a.",
        regarding: route,
      },
    ]);
  });

  test("counts equal notes up, in one Event and at most every 30 s", async () => {
    const { cluster, time, recorder, written } = open();
    for (let i = 0; i < 100; i++) {
      recorder.record(route, note());
      await time.pass(1_000);
    }
    await time.pass(30_000);
    const events = await written();
    expect(events).toHaveLength(1);
    expect(events[0]?.["series"]).toMatchObject({ count: 100 });
    expect(cluster.counts.mergePatch).toBeLessThanOrEqual(4);
    expect(recorder.dropped).toBe(0);
  });

  test("begins a new Event after ten minutes, for another message, and for another object", async () => {
    const { time, recorder, written } = open();
    recorder.record(route, note());
    await time.pass(600_000);
    recorder.record(route, note());
    recorder.record(route, note("another"));
    recorder.record({ ...route, name: "other" }, note());
    await time.pass(0);
    expect(await written()).toHaveLength(4);
  });

  test("writes a new Event where the one that it counted up has aged out", async () => {
    const { cluster, time, recorder, written } = open();
    recorder.record(route, note());
    await time.pass(0);
    const [first] = await written();
    cluster.remove(resources.events, { namespace: "team", name: first?.metadata.name ?? "" });
    recorder.record(route, note());
    await time.pass(30_000);
    expect((await written()).map((event) => event["series"])).toMatchObject([{ count: 2 }]);
  });

  test("writes 25 for an object at once, then one every five minutes, and leaves others alone", async () => {
    const { time, recorder, written } = open();
    for (let i = 0; i < 40; i++) recorder.record(route, note(`message ${i}`));
    recorder.record({ ...route, name: "other" }, note());
    await time.pass(0);
    expect([(await written()).length, recorder.dropped]).toEqual([26, 15]);
    await time.pass(300_000);
    recorder.record(route, note("later"));
    recorder.record(route, note("too much"));
    await time.pass(0);
    expect([(await written()).length, recorder.dropped]).toEqual([27, 16]);
  });

  test("never throws and goes on when the API server refuses", async () => {
    let isRefusing = true;
    const { time, recorder, written } = open(() => {
      if (isRefusing) throw refusal(403, "Forbidden");
    });
    recorder.record(route, note());
    await time.pass(0);
    isRefusing = false;
    recorder.record(route, note("second"));
    await time.pass(0);
    expect([(await written()).length, recorder.dropped]).toEqual([1, 1]);
  });

  test("cuts a message at 1024 bytes between two characters", async () => {
    const { time, recorder, written } = open();
    recorder.record(route, note("ü".repeat(2_000)));
    await time.pass(0);
    const [event] = await written();
    const text = String(event?.["note"]);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(1_024);
    expect(text).toMatch(/^ü+…$/);
  });

  test("sends what waits when it is stopped, and does not wait for ever", async () => {
    const { time, recorder, written } = open();
    recorder.record(route, note());
    await recorder.stop();
    recorder.record(route, note("too late"));
    expect(await written()).toHaveLength(1);
    const hanging = open(() => new Promise(() => undefined));
    hanging.recorder.record(route, note());
    const stopped = hanging.recorder.stop(1_000);
    await hanging.time.pass(1_000);
    await stopped;
    expect(time.pending).toBe(0);
  });
});
