/** How much a limit admits in one window. */
import { unitsMax } from "../base/window.ts";
import type { LimitSpec } from "./aiquota-limit.ts";
import { nanoDollars } from "./money.ts";

/** Limit and burst, in units; nano-dollars for Cost. Of 0 nothing, whatever the burst. `amount`: an override, in place of the limit. */
export const maxOf = (limit: LimitSpec, amount: LimitSpec["limit"] = limit.limit): number => {
  const units = limit.resource === "Cost" ? nanoDollars(amount) : Number(amount);
  return units === 0 ? 0 : Math.min(units + burstOf(limit, amount), unitsMax);
};

/** What comes on top of a limit in one window, in units; of a limit of 0 nothing. `amount`: as above. */
export const burstOf = ({ limit, burst = 0 }: LimitSpec, amount: LimitSpec["limit"] = limit): number =>
  Number(amount) === 0 ? 0 : burst;
