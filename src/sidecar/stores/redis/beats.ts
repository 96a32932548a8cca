import { beatKey } from "../../../redis/keys.ts";
import type { BeatStore } from "../../ports/beat-store.ts";
import type { Connection } from "./connection.ts";

/** Heartbeats in Redis, over the quotas' connection and beside its breaker. */
export const createRedisBeatStore = (connection: Connection): BeatStore => ({
  put: async ({ namespace, pod, text, ttlMs }) => {
    await connection.aside("set", [beatKey(namespace, pod), text, "PX", String(ttlMs)]);
  },
  remove: async (namespace, pod) => {
    await connection.aside("del", [beatKey(namespace, pod)]);
  },
  onRecovered: (listener) => connection.onRecovered(listener),
});
