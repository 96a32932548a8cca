/** What a counter lacks. Pure. */
import { unitsMax } from "../../../base/window.ts";
import type { Addition } from "./redis.ts";

/** A counter compared, in units. */
export interface Compared {
  readonly ledger: number;
  /** Charged and held in Redis, in the slots that count. */
  readonly redis: number;
  readonly missing: number;
  /** Newest slot first. */
  readonly additions: readonly Addition[];
}

/**
 * From the newest slot back: a slot is given what it and the newer ones lack together, so that at no time more counts than the ledger says.
 * Never more in all than the whole lacks. `first`: the oldest slot that counts.
 */
export const compare = (
  ledger: ReadonlyMap<number, number>,
  redis: ReadonlyMap<number, number>,
  first: number,
): Compared => {
  const slots = [...new Set([...ledger.keys(), ...redis.keys()])].filter((slot) => slot >= first);
  const sum = (of: ReadonlyMap<number, number>): number =>
    slots.reduce((all, slot) => Math.min(unitsMax, all + (of.get(slot) ?? 0)), 0);
  const [told, stands] = [sum(ledger), sum(redis)];
  let room = Math.max(0, told - stands);
  const additions: Addition[] = [];
  let [lacking, missing] = [0, 0];
  for (const slot of slots.toSorted((one, other) => other - one)) {
    lacking += (ledger.get(slot) ?? 0) - (redis.get(slot) ?? 0);
    const units = Math.min(lacking, room);
    if (units <= 0) continue;
    additions.push({ slot, units });
    lacking -= units;
    room -= units;
    missing += units;
  }
  return { ledger: told, redis: stands, missing, additions };
};
