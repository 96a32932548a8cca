/** The cluster that the tests run on: the one of scripts/cluster, or yours by SIDEGATE_E2E_KUBECONFIG. */
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import {
  clusterBinaries,
  clusterFolder,
  clusterKubeconfig,
  foreignKubeconfig,
} from "../../../scripts/cluster-places.ts";

/** The top folder of the project. */
export const root = resolve(import.meta.dirname, "../../..");

/** True on the cluster of scripts/cluster: this machine reaches pods and Services by address, and its daemons can be stopped. */
export const isOwnCluster = foreignKubeconfig() === undefined;

/** Variables for kubectl and helm. Programs that scripts/cluster has built come first. */
export const clusterEnv: Readonly<Record<string, string>> = {
  KUBECONFIG: clusterKubeconfig(),
  PATH: [clusterBinaries(), process.env["PATH"] ?? ""].join(delimiter),
};

const imageOf = (variable: string, name: string, otherwise: string): string => {
  const given = process.env[variable];
  if (given) return given;
  const file = join(clusterFolder(), "images", `${name}.ref`);
  return isOwnCluster && existsSync(file) ? readFileSync(file, "utf8").trim() : otherwise;
};

/** Names of the images; each may be given by a variable, for clusters that pull from your registry. */
export const images = {
  /** SIDEGATE_E2E_IMAGE: the project's own. */
  sidegate: imageOf("SIDEGATE_E2E_IMAGE", "sidegate", "sidegate:e2e"),
  /** SIDEGATE_E2E_APP_IMAGE: Node with the official OpenAI SDK in /app/node_modules. */
  app: imageOf("SIDEGATE_E2E_APP_IMAGE", "app", "sidegate.test/app:e2e"),
  /** SIDEGATE_E2E_FAKEPROVIDER_IMAGE: src/fakeprovider on port 8080. */
  fakeProvider: imageOf("SIDEGATE_E2E_FAKEPROVIDER_IMAGE", "fakeprovider", "sidegate.test/fakeprovider:e2e"),
  /** SIDEGATE_E2E_REDIS_IMAGE: Redis 7 or newer. */
  redis: imageOf("SIDEGATE_E2E_REDIS_IMAGE", "redis", "sidegate.test/redis:7"),
} as const;
