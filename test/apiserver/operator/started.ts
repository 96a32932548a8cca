/** A real API server with CRDs and webhook configurations, and an operator that runs on it. */
import type { KubeApi } from "../../../src/kube/port.ts";
import type { Operator } from "../../../src/operator/operator.ts";
import type { MemoryState } from "../../../src/operator/state/memory-state.ts";
import { installCrds, startApiServer } from "../harness.ts";
import { apiOf, makeNamespace, makeWebhookConfigurations, operatorOf, systemNamespace } from "./stage.ts";

/** What runs. */
export interface StartedOperator {
  readonly api: KubeApi;
  readonly state: MemoryState;
  /** The one that `stop` stops: another one may take its place. */
  operator: Operator;
  stop(): Promise<void>;
}

/** Starts both. */
export const startOperatorStage = async (): Promise<StartedOperator> => {
  const server = await startApiServer();
  const ends: (() => unknown)[] = [() => server.stop()];
  const stop = async (): Promise<void> => {
    for (const end of ends.splice(0).toReversed()) await end();
  };
  try {
    await installCrds(server);
    const api = await apiOf(server);
    ends.push(() => api.close());
    await makeNamespace(api, systemNamespace);
    await makeWebhookConfigurations(api);
    const { operator, state } = operatorOf(api, "operator-a");
    const stage: StartedOperator = { api, state, operator, stop };
    ends.push(() => stage.operator.stop());
    await operator.start();
    return stage;
  } catch (fault) {
    await stop();
    throw fault;
  }
};
