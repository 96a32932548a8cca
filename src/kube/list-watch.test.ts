import { describe, expect, test } from "vitest";
import { configMap, refusal } from "../../test/fixtures/fake-cluster.ts";
import { clusterOf, followed } from "../../test/fixtures/followed-informer.ts";
import { resources } from "./port.ts";

const { configMaps } = resources;

describe("an informer whose server fails", () => {
  test("goes on at the last resourceVersion, without a list, after a watch that ended well or broke", async () => {
    const cluster = clusterOf("a");
    const { time, informer, changes } = followed(cluster);
    informer.start();
    await time.pass(20_000);
    for (const fault of [undefined, refusal(0, ""), refusal(500, "InternalError"), refusal(401, "Unauthorized")]) {
      cluster.endWatches(fault);
      cluster.put(configMaps, configMap(`during ${fault?.status}`));
      await time.pass(20_000);
    }
    expect(changes).toHaveLength(5);
    expect(informer.counts).toMatchObject({ lists: 1, watches: 5, faults: 3 });
    await informer.stop();
  });

  test("lists again after 410, and tells what it missed, deletions included, and nothing else", async () => {
    const cluster = clusterOf("a", "b", "c");
    const { time, informer, changes } = followed(cluster);
    informer.start();
    await time.pass(20_000);
    cluster.endWatches();
    cluster.remove(configMaps, { namespace: "team", name: "a" });
    cluster.put(configMaps, configMap("b", { data: { x: "1" } }));
    cluster.put(configMaps, configMap("d"));
    cluster.compact();
    await time.pass(1_100);
    expect(changes.slice(3).sort()).toEqual(["+team/d", "-team/a", "~team/b"]);
    expect(informer.counts.lists).toBe(2);
    await informer.stop();
  });

  test("lists again after an ERROR event 410 in the stream, at once the first time", async () => {
    const cluster = clusterOf("a");
    const { time, informer } = followed(cluster);
    informer.start();
    await time.pass(20_000);
    cluster.endWatches(refusal(410, "Expired"));
    await time.pass(0);
    expect(informer.counts.lists).toBe(2);
    await informer.stop();
  });

  test("begins the list anew when a page's token has run out", async () => {
    const cluster = clusterOf("a", "b", "c", "d");
    let pages = 0;
    const { time, informer, changes } = followed(cluster, {
      pageSize: 2,
      before: (verb) => {
        if (verb === "list" && ++pages === 2) throw refusal(410, "Expired");
      },
    });
    informer.start();
    await time.pass(5_000);
    expect(changes).toEqual(["+team/a", "+team/b", "+team/c", "+team/d"]);
    expect(informer.isSynced).toBe(true);
    await informer.stop();
  });

  test("asks for at most one list a second, whatever fails, and backs off to half a minute", async () => {
    const cluster = clusterOf("a");
    const atMs: number[] = [];
    const { time, informer } = followed(cluster, {
      before: (verb) => {
        if (verb !== "list") throw refusal(410, "Expired");
        atMs.push(time.monotonicMs());
      },
    });
    informer.start();
    await time.pass(600_000);
    const gaps = atMs.slice(1).map((ms, i) => ms - (atMs[i] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1_000);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(30_000);
    expect(gaps.length).toBeLessThan(40);
    await informer.stop();
  });

  test("is up to date within 10 s of the end of an outage, however long, though the server starts slowly and its watch is too old", async () => {
    const cluster = clusterOf("a");
    let isAway = false;
    let isTooOld = false;
    const starting = [refusal(403, "Forbidden"), refusal(429, "TooManyRequests", 1_000)];
    const { time, informer } = followed(cluster, {
      before: (verb) => {
        if (isAway) throw refusal(0, "");
        const fault = isTooOld ? starting.pop() : undefined;
        if (fault) throw fault;
        if (verb === "watch" && isTooOld) throw refusal(410, "Expired");
        isTooOld = false;
      },
    });
    informer.start();
    await time.pass(1_000);
    isAway = true;
    isTooOld = true;
    cluster.endWatches(refusal(0, ""));
    cluster.put(configMaps, configMap("during"));
    await time.pass(300_000);
    expect(informer.get("team", "during")).toBeUndefined();
    isAway = false;
    await time.pass(10_000);
    expect(informer.get("team", "during")).toBeDefined();
    await informer.stop();
  });

  test("waits as long as Retry-After says", async () => {
    const cluster = clusterOf("a");
    const { time, informer } = followed(cluster, {
      before: (verb) => {
        if (verb === "list" && cluster.counts.list === 1) throw refusal(429, "TooManyRequests", 7_000);
      },
    });
    informer.start();
    await time.pass(6_900);
    expect(cluster.counts.list).toBe(1);
    await time.pass(200);
    expect(cluster.counts.list).toBe(2);
    await informer.stop();
  });

  test("ignores events that come twice or late, also of an object that is gone", async () => {
    const cluster = clusterOf("a");
    const { time, informer, changes } = followed(cluster);
    informer.start();
    await time.pass(0);
    const first = cluster.find(configMaps, { namespace: "team", name: "a" });
    const second = cluster.put(configMaps, configMap("a", { data: { x: "2" } }));
    if (!first) throw new Error("no object");
    for (const object of [first, second, first]) cluster.say(configMaps, { type: "MODIFIED", object });
    cluster.say(configMaps, { type: "DELETED", object: first });
    expect(informer.get("team", "a")?.data).toEqual({ x: "2" });
    cluster.remove(configMaps, { namespace: "team", name: "a" });
    cluster.say(configMaps, { type: "MODIFIED", object: second });
    expect(informer.list()).toEqual([]);
    expect(changes).toEqual(["+team/a", "~team/a", "-team/a"]);
    await informer.stop();
  });

  test("takes resourceVersions that are no numbers in the order in which they come", async () => {
    const cluster = clusterOf();
    const { time, informer } = followed(cluster);
    informer.start();
    await time.pass(0);
    for (const [resourceVersion, x] of [
      ["zz", "1"],
      ["aa", "2"],
    ]) {
      const object = {
        ...configMap("a", { data: { x } }),
        metadata: { name: "a", namespace: "team", resourceVersion },
      };
      cluster.say(configMaps, { type: "MODIFIED", object });
    }
    expect(informer.get("team", "a")?.data).toEqual({ x: "2" });
    await informer.stop();
  });

  test("believes a server whose history went back: a bookmark shows it, and its list stands though its numbers are lower", async () => {
    const cluster = clusterOf("a");
    const real = cluster.api();
    const old = configMap("a", { data: { x: "old" } });
    const restored = { ...old, metadata: { ...old.metadata, resourceVersion: "7" } };
    let isRestored = false;
    const { time, informer } = followed(cluster, {
      api: {
        ...real,
        list: async (...asked) => (isRestored ? { items: [restored], resourceVersion: "8" } : real.list(...asked)),
        watch: (...asked) => (isRestored ? new Promise(() => undefined) : real.watch(...asked)),
      },
    });
    informer.start();
    await time.pass(20_000);
    expect(informer.get("team", "a")?.data).toEqual({});
    isRestored = true;
    cluster.say(configMaps, { type: "BOOKMARK", object: { metadata: { name: "", resourceVersion: "8" } } });
    await time.pass(20_000);
    expect(informer.get("team", "a")?.data).toEqual({ x: "old" });
  });

  test("keeps what it knows while the resource is not served, and goes on when it is", async () => {
    const cluster = clusterOf("a");
    let isServed = true;
    const { time, informer, changes } = followed(cluster, {
      before: () => {
        if (!isServed) throw refusal(404, "NotFound");
      },
    });
    informer.start();
    await time.pass(20_000);
    isServed = false;
    cluster.endWatches();
    await time.pass(300_000);
    expect([informer.list().length, informer.isSynced]).toEqual([1, true]);
    cluster.put(configMaps, configMap("b"));
    isServed = true;
    await time.pass(30_000);
    expect(changes).toEqual(["+team/a", "+team/b"]);
    await informer.stop();
  });
});
