/** A request as its audit record tells it: what quotas read of one. */
import type { Clock } from "../../../base/clock.ts";
import type { Shaped } from "../../../sidecar/exchange.ts";
import { plainLoopback } from "../../../sidecar/message.ts";
import type { Intent } from "./records.ts";

/** Records tell that something is not bounded or priced, not what: no answer of a replay says it. */
const something = "the request";

/** The request as quotas see it, for this model and, where it is told, this backend. */
export const exchangeOf = (
  intent: Intent,
  { model, clock, backend }: { readonly model: string; readonly clock: Clock; readonly backend: string | undefined },
): Shaped => {
  const { namespace, serviceAccount, user, tenant, clientKey, pod, app, endpoint, rule, streamed } = intent;
  const { input: inputTokens, output: outputTokens, outputExtra, choices, asked = false, unbounded, unpriced } = intent;
  const seen = {
    clock,
    arrival: plainLoopback,
    identity: {
      ...{ namespace, serviceAccount },
      ...(user !== undefined && { user }),
      ...(tenant !== undefined && { tenant }),
      ...(clientKey !== undefined && { clientKey }),
      ...(pod !== undefined && { pod }),
      ...(app !== undefined && { app }),
    },
    match: { endpoint },
    body: { kind: endpoint.body },
    rule: { name: rule },
    ...(backend !== undefined && { quotaTarget: { route: intent.route, backend } }),
    ...{ model, streamed },
    estimate: {
      ...{ inputTokens, outputTokens, choices },
      ...(outputExtra > 0 && { outputExtra }),
      ...(unbounded === true && { unbounded: something }),
      ...(unpriced === true && { unpriced: something }),
      ...{ outputCap: Math.floor(outputTokens / choices), capAsked: asked, capWanted: false },
    },
  };
  // Quotas read no more of a request than this; there are no sockets and no body in a record.
  return seen as unknown as Shaped;
};
