import type { MarkStore } from "../../ports/mark-store.ts";
import { StoreUnavailable } from "../../ports/store-unavailable.ts";
import type { Connection } from "./connection.ts";
import { ScriptRunner } from "./script-runner.ts";
import { markCall } from "./scripts.ts";

/** Marks in Redis, each beside the counters of its leg: on a Cluster on the same node. */
export const createRedisMarkStore = (connection: Connection): MarkStore => {
  const scripts = new ScriptRunner(connection);
  return {
    move: async (place, mark) => {
      const reply = await scripts.run(markCall(place, mark), { isLazy: true });
      if (!Array.isArray(reply))
        throw new StoreUnavailable("Redis answered with something unexpected", { maybeDone: true });
      const [before, server] = reply.map(textOf);
      const number = Number(before ?? Number.NaN);
      return { before: Number.isSafeInteger(number) ? number : undefined, server };
    },
  };
};

const textOf = (word: unknown): string | undefined => (Buffer.isBuffer(word) ? word.toString("latin1") : undefined);
