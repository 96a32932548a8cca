/** Responses that the provider goes on with when nobody waits for them (`background: true`). */
import type { Accepted, Shaped } from "../exchange.ts";

/** Whether the client asks for that. */
export const asksBackground = ({ match, body }: Accepted): boolean =>
  match.endpoint.path === "/responses" && body.kind === "json" && body.document.root.get("background")?.kind === "true";

/** Whether the provider is asked for that: by the client, or by what the rule makes of its request. */
export const isBackground = (exchange: Shaped): boolean => {
  const edit = exchange.edits.find(({ path }) => path.length === 1 && path[0] === "background");
  if (edit?.op !== "set") return asksBackground(exchange);
  return exchange.match.endpoint.path === "/responses" && edit.value === "true";
};
