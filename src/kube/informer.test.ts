import { describe, expect, test } from "vitest";
import { configMap, FakeCluster, refusal } from "../../test/fixtures/fake-cluster.ts";
import { clusterOf, followed } from "../../test/fixtures/followed-informer.ts";
import { createLog } from "../base/log.ts";
import { resources } from "./port.ts";

const { configMaps } = resources;

describe("an informer", () => {
  test("lists in pages, tells of each object once, keeps the projection alone, and is synced", async () => {
    const cluster = clusterOf("a", "b", "c");
    const { time, informer, changes } = followed(cluster, { pageSize: 2 });
    expect(informer.isSynced).toBe(false);
    informer.start();
    informer.start();
    await time.pass(0);
    await informer.whenSynced();
    expect(changes).toEqual(["+team/a", "+team/b", "+team/c"]);
    expect(informer.get("team", "a")).toEqual({ name: "a", data: {} });
    expect([informer.list().length, informer.list("team").length, informer.list("other").length]).toEqual([3, 3, 0]);
    expect(informer.counts.lists).toBe(1);
    expect(cluster.counts.list).toBe(2);
    await informer.stop();
  });

  test("follows additions, changes and deletions", async () => {
    const cluster = clusterOf("a");
    const { time, informer, changes } = followed(cluster);
    informer.start();
    await time.pass(0);
    cluster.put(configMaps, configMap("b"));
    cluster.put(configMaps, configMap("a", { data: { x: "1" } }));
    cluster.remove(configMaps, { namespace: "team", name: "b" });
    expect(changes).toEqual(["+team/a", "+team/b", "~team/a", "-team/b"]);
    expect(informer.list()).toEqual([{ name: "a", data: { x: "1" } }]);
    expect(informer.size).toBe(1);
    await informer.stop();
  });

  test("goes on when a handler or a projection throws", async () => {
    const cluster = clusterOf("a", "bad", "c");
    const lines: string[] = [];
    const { time, informer } = followed(cluster, {
      log: createLog({ name: "test", level: "error", destination: { write: (line) => void lines.push(line) } }),
      project: ({ metadata, data }) => {
        if (metadata.name === "bad") throw new Error("not understood");
        return { name: metadata.name, data };
      },
      onChange: () => {
        throw new Error("handler");
      },
    });
    informer.start();
    await time.pass(0);
    cluster.put(configMaps, configMap("d"));
    expect(informer.list().map(({ name }) => name)).toEqual(["a", "c", "d"]);
    expect([informer.isSynced, lines.length]).toEqual([true, 4]);
    await informer.stop();
  });

  test("calls nobody for a change that isSame calls none, and still keeps it", async () => {
    const cluster = clusterOf("a");
    const { time, informer, changes } = followed(cluster, {
      isSame: (previous, current) => previous.name === current.name,
    });
    informer.start();
    await time.pass(0);
    cluster.put(configMaps, configMap("a", { data: { x: "1" } }));
    expect(changes).toEqual(["+team/a"]);
    expect(informer.get("team", "a")?.data).toEqual({ x: "1" });
    await informer.stop();
  });

  test("with several namespaces watches each, and a list of one removes nothing of another", async () => {
    const cluster = new FakeCluster();
    for (const namespace of ["one", "two", "three"]) cluster.put(configMaps, configMap("a", { namespace }));
    const { time, informer, changes } = followed(cluster, { namespaces: ["one", "two", "one"] });
    informer.start();
    await time.pass(20_000);
    expect(changes).toEqual(["+one/a", "+two/a"]);
    cluster.endWatches(refusal(410, "Expired"));
    await time.pass(20_000);
    expect([informer.list().length, informer.counts.lists]).toEqual([2, 4]);
    await informer.stop();
  });

  test("sees an object leave and enter its label selector", async () => {
    const cluster = new FakeCluster();
    const { time, informer, changes } = followed(cluster, { labelSelector: "on=true" });
    informer.start();
    await time.pass(0);
    cluster.put(configMaps, configMap("a"));
    cluster.put(configMaps, configMap("a", { labels: { on: "true" } }));
    cluster.put(configMaps, configMap("a", { labels: { on: "false" } }));
    expect(changes).toEqual(["+team/a", "-team/a"]);
    await informer.stop();
  });

  test("tells how stale it may be", async () => {
    const cluster = clusterOf("a");
    const { time, informer } = followed(cluster, {
      before: (verb) => (verb === "watch" ? new Promise(() => undefined) : undefined),
    });
    informer.start();
    await time.pass(90_000);
    expect(informer.stalenessMs).toBe(90_000);
    expect(informer.lastContactMs).toBe(time.monotonicMs() - 90_000);
  });

  test("ends at once although a list hangs", async () => {
    const { time, informer } = followed(new FakeCluster(), { before: () => new Promise(() => undefined) });
    informer.start();
    await time.pass(0);
    await informer.stop();
    expect(time.pending).toBe(0);
  });

  test("tells whoever waits that it was stopped before it synced", async () => {
    const { time, informer } = followed(new FakeCluster(), { before: () => Promise.reject(refusal(0, "")) });
    informer.start();
    const waiting = informer.whenSynced();
    await time.pass(5_000);
    await informer.stop();
    await expect(waiting).rejects.toThrow("configmaps: stopped before the first list was whole");
    expect(time.pending).toBe(0);
  });
});
