/** The one way from a text to a caller: the request path and `sidegate whoami` call it. */
import type { CallerConfig } from "../../config/caller.ts";
import { apiKeyJudge } from "./api-keys.ts";
import { type BearerSources, bearerJudge } from "./bearer.ts";
import type { CallerJudge } from "./verdict.ts";

/** Makes the judge of what a route wants its callers to send; do that once for a config, not for a token. */
export const callerJudge = (config: CallerConfig, sources: BearerSources): CallerJudge =>
  config.require === "Bearer" ? bearerJudge(config.issuers, sources) : apiKeyJudge(config.keys);
