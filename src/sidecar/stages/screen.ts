/** Stage 0: who may connect at all, by address, transport and client program. Nothing of the body has been read. */
import type { RouteConfig } from "../../config/contract.ts";
import { GatewayError, refuse } from "../errors.ts";
import type { Received } from "../exchange.ts";
import { sourceTest } from "../listener/sources.ts";
import { userAgentTest } from "../listener/user-agents.ts";
import { sendWhole } from "../reply.ts";
import type { Stage } from "../stage.ts";

/** Refuses what `spec.listener` does not let in. What comes on the port for other pods although it is closing by now is refused as well. */
export const screen = ({ listener, caller }: Pick<RouteConfig, "listener" | "caller">): Stage<Received, Received> => {
  const isForPods = listener?.address === "Pod" && caller !== undefined;
  const mayConnect = sourceTest(listener?.sources ?? []);
  const mayCall = userAgentTest(listener?.userAgents ?? []);
  return (next) => (exchange) => {
    const { arrival, request } = exchange;
    if (arrival.port === "pod") {
      if (!isForPods)
        return Promise.reject(closing("source_not_allowed", "the route takes no calls from other pods any more"));
      if (!mayConnect(arrival.address))
        return Promise.reject(closing("source_not_allowed", `${arrival.address} is in none of spec.listener.sources`));
      if (!arrival.isSecure) return toHttps(exchange);
    }
    const userAgent = request.headers["user-agent"];
    if (!mayCall(userAgent))
      return Promise.reject(refuse("user_agent_not_allowed", userAgent === undefined ? "" : userAgent.slice(0, 80)));
    return next(exchange);
  };
};

/** A host and port that stand in a URL as they are. */
const hostPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/;
/** Visible ASCII but for what browsers take for a slash. */
const pathPattern = /^\/[!-[\]-~]*$/;

/**
 * Sends a client that asks in clear to https. Only where nothing but the head was sent: one that has sent a body is refused, since
 * it would send body and key in clear each time before it is sent on.
 */
async function toHttps(exchange: Received): Promise<void> {
  const { method, url = "", headers } = exchange.request;
  const host = headers.host ?? "";
  if ((method !== "GET" && method !== "HEAD") || !hostPattern.test(host) || !pathPattern.test(url))
    throw closing("https_required");
  exchange.end({ outcome: "refused", status: 308 });
  const location = `https://${host}${url}`;
  sendWhole(exchange, 308, [["location", location], ["connection", "close"]], ""); // biome-ignore format: one line, one answer
}

const closing = (code: "source_not_allowed" | "https_required", ...words: string[]): GatewayError =>
  new GatewayError(code, words, { headers: [["connection", "close"]] });
