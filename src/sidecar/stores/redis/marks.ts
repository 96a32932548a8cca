import { clusterMarkKey, markKey } from "../../../redis/keys.ts";
import type { MarkStore } from "../../ports/mark-store.ts";
import type { Connection } from "./connection.ts";

/** How long a mark outlives the last time it was moved, ms: far longer than any failover. */
const markTtlMs = 3_600_000;

/** Marks in Redis, each beside the counters of its leg: on a Cluster on the same node. */
export const createRedisMarkStore = (connection: Connection): MarkStore => ({
  move: async ({ namespace, leg, instance }, mark) => {
    const key = leg === "Cluster" ? clusterMarkKey(namespace, instance) : markKey(namespace, instance);
    const before = await connection.send("set", [key, String(mark), "PX", String(markTtlMs), "GET"], { isLazy: true });
    const number = Buffer.isBuffer(before) ? Number(before.toString("latin1")) : Number.NaN;
    return Number.isSafeInteger(number) ? number : undefined;
  },
});
