/**
 * Stage 1: who calls. The workload's identity is the pod's own, proven when its token was loaded; nothing in the request can change it.
 * Where the route wants callers to prove who they are, they do so with what they send: asked before the body is read, so that a
 * stranger's is not.
 */
import type { CallerCheck } from "../caller/check.ts";
import type { Caller } from "../caller/verdict.ts";
import { GatewayError, refuse } from "../errors.ts";
import { type Identified, type Identity, know, type Received } from "../exchange.ts";
import { type IdentityReason, refusalText } from "../identity/reasons.ts";
import type { Stage } from "../stage.ts";

/** Attaches the workload's verified identity, and with `callerOf` the caller's; refuses whoever proves nothing. */
export const identify =
  (workload: Identity, callerOf: CallerCheck | undefined): Stage<Received, Identified> =>
  (next) => {
    if (!callerOf) return (exchange) => next(know(exchange, { identity: workload }));
    const goOn = (exchange: Received, caller: Caller | GatewayError): Promise<void> =>
      caller instanceof GatewayError
        ? Promise.reject(caller)
        : next(know(exchange, { identity: { ...workload, ...caller } }));
    return (exchange) => {
      know(exchange, { identity: workload }); // what is recorded of a refusal
      const caller = callerOf(exchange.request.rawHeaders);
      if (!(caller instanceof Promise)) return goOn(exchange, caller);
      return awaited(caller, exchange).then((known) => goOn(exchange, known));
    };
  };

/** Whoever goes away stops waiting for an issuer's keys; their fetch serves others. */
const awaited = (caller: Promise<Caller | GatewayError>, exchange: Received): Promise<Caller | GatewayError> =>
  new Promise((resolve, reject) => {
    caller.then(resolve, reject);
    exchange.onAbort((reason) =>
      resolve(reason === "drain" ? refuse("draining") : refuse("malformed_http", "the client went away")),
    );
  });

/** Refuses while the pod is not proven to be who it is. `refusal` is a field that is read: nothing is verified for a request. */
export const prove =
  (refusal: () => IdentityReason | undefined): Stage<Received, Received> =>
  (next) =>
  (exchange) => {
    const reason = refusal();
    if (reason === undefined) return next(exchange);
    return Promise.reject(refuse("identity_refused", refusalText(reason)));
  };
