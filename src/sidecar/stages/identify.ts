/** Stage 2: who calls. The identity is the pod's own, proven when it was loaded; nothing in the request can change it. */
import type { Identity } from "../exchange.ts";
import { type Accepted, type Identified, know } from "../exchange.ts";
import type { Stage } from "../stage.ts";

/** Attaches the verified identity of the workload. */
export const identify =
  (identity: Identity): Stage<Accepted, Identified> =>
  (next) =>
  (exchange) =>
    next(know(exchange, { identity }));
