/**
 * Who calls. The identity is the pod's own, proven when its token was loaded; nothing in the request can change it. Whether it is
 * proven is asked before anything else of the request is looked at; it is attached in stage 2.
 */
import { refuse } from "../errors.ts";
import { type Accepted, type Identified, type Identity, know, type Received } from "../exchange.ts";
import { type IdentityReason, refusalText } from "../identity/reasons.ts";
import type { Stage } from "../stage.ts";

/** Attaches the verified identity of the workload. */
export const identify =
  (identity: Identity): Stage<Accepted, Identified> =>
  (next) =>
  (exchange) =>
    next(know(exchange, { identity }));

/** Refuses while the pod is not proven to be who it is. `refusal` is a field that is read: nothing is verified for a request. */
export const prove =
  (refusal: () => IdentityReason | undefined): Stage<Received, Received> =>
  (next) =>
  (exchange) => {
    const reason = refusal();
    if (reason === undefined) return next(exchange);
    return Promise.reject(refuse("identity_refused", refusalText(reason)));
  };
