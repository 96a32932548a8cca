import { Cluster } from "ioredis";
import { startRedisCluster } from "../fixtures/redis-cluster.ts";
import { proveFleet } from "./fleet-law.ts";

proveFleet("a Redis Cluster of six nodes", async () => {
  const cluster = await startRedisCluster();
  const watcher = new Cluster(cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port })));
  const stop = async (): Promise<void> => {
    watcher.disconnect();
    await cluster.stop();
  };
  return { url: cluster.url, watcher, stop };
});
