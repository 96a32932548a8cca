/**
 * Not a stage of its own: what admit does with a request that a limit refuses and another model may answer. It goes once more through
 * authorize, shape and inspect, as if it had asked for that model, and is then reserved anew. It is downgraded once.
 */
import type { RouteConfig } from "../../config/contract.ts";
import type { QuotaConfig } from "../../config/quota.ts";
import { know, type Shaped } from "../exchange.ts";
import type { Downgrade } from "../quota/downgrade.ts";
import type { Handler } from "../stage.ts";
import { authorize } from "./authorize.ts";
import { inspect } from "./inspect.ts";
import { shape } from "./shape.ts";

/** Tells the client which model it asked for, where another one answers. */
export const downgradedHeader = "x-sidegate-downgraded-from";

/** The downgrade of a route; undefined where no limit has one. `admitted`: admission without downgrade, and what follows. */
export const downgradeOf = (
  route: RouteConfig,
  quotas: readonly QuotaConfig[],
  admitted: () => Handler<Shaped>,
): Downgrade | undefined => {
  if (!quotas.some(({ limits }) => limits.some(({ downgradeTo }) => downgradeTo !== undefined))) return undefined;
  const last = admitted();
  const open = new WeakMap<Shaped, () => void>();
  const enter = authorize(route.rules)(
    shape(route.models)(
      inspect()((exchange) => {
        open.get(exchange)?.();
        return last(exchange);
      }),
    ),
  );
  return async (exchange, { to, refusal, passed }) => {
    const { model, rule, edits, stripUsage, estimate } = exchange;
    let isOpen = false;
    open.set(exchange, () => {
      isOpen = true;
      exchange.call.downgradedFrom = model;
      exchange.call.isUnenforced = false; // of the first attempt; the second may find the store there
      exchange.call.isLocalShare = false;
      exchange.answerHeaders.add(downgradedHeader, model); // a name of the limit's `models`, not just any text
      passed();
    });
    try {
      await enter(know(exchange, { model: to }));
    } catch (fault) {
      if (isOpen) throw fault;
      // The caller may not use the other model, or not like this: what it is told is about the one it asked for.
      know(exchange, { model, rule, edits, stripUsage, estimate });
      throw refusal();
    }
  };
};
