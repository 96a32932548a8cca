/** Vitest globalSetup of this tier: one API server, with controller manager and our CRDs, for all files that ask by useApiServer. */
import type { TestProject } from "vitest/node";
import { installCrds, startApiServer } from "./harness.ts";

/** Starts the server; what it answers ends it. */
export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const server = await startApiServer({ withControllerManager: true });
  await installCrds(server);
  const { kubeconfig, url, token, ca, folder } = server;
  project.provide("apiServer", { kubeconfig, url, token, ca, folder });
  return () => server.stop();
};
