import { expect, test } from "vitest";
import { FakeClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import type { BackendConfig } from "../../../config/contract.ts";
import { SidecarMetrics } from "../../metrics.ts";
import { Pools } from "../pools.ts";
import { Credentials } from "./credentials.ts";

const azure = (name: string): BackendConfig => ({
  ...{ name, type: "AzureOpenAI", endpoint: `https://${name}.openai.azure.com`, apiVersion: "v1" },
  credentials: [
    {
      ...{ type: "WorkloadIdentity", name: "tenant/client", weight: 1 },
      audience: "api://AzureADTokenExchange",
      tokenURL: "https://login.microsoftonline.com/tenant/oauth2/v2.0/token",
      exchange: { type: "Entra", clientID: "client", scope: "https://cognitiveservices.azure.com/.default" },
    },
  ],
});

test("an identity that one resource refuses goes on serving the others, also in configs to come", () => {
  let turns = 0;
  const credentials = new Credentials({
    tokens: { directory: "", audiences: [] },
    pools: new Pools({}),
    clock: new FakeClock(),
    random: () => 0,
    metrics: new SidecarMetrics({ storeUp: () => true, settlementsPending: () => 0, defaults: false }),
    log: silentLog(),
    turned: () => void turns++,
  });
  const refused = credentials.poolOf(azure("us"));
  const first = refused.first();
  if (!first) throw new Error("a pool of one gives it");
  refused.rest(first, 401, undefined);
  const states = ["us", "eu"].map((name) => credentials.poolOf(azure(name)).views()[0]?.state);
  expect([states, turns]).toEqual([["unauthorized", "ready"], 1]);
});
