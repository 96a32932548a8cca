import { Redis } from "ioredis";
import { startRedis } from "../fixtures/redis.ts";
import { proveFleet } from "./fleet-law.ts";

proveFleet("one Redis", async () => {
  const redis = await startRedis();
  const watcher = new Redis(redis.url);
  const stop = async (): Promise<void> => {
    watcher.disconnect();
    await redis.stop();
  };
  return { url: redis.url, watcher, stop };
});
