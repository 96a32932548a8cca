/** The workload that a config is for, and the name of the Secret that holds it. */
import { createHash } from "node:crypto";

/** A service account of a namespace, and the route that the pod picked by annotation; no pick: the oldest that names it. */
export interface Workload {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly routePick?: string | undefined;
}

/** Characters of the service account that stand in the Secret's name, for whoever reads a list. */
const readableLengthMax = 40;

/** Name of the workload's config Secret: a function of the three alone, so that injector and operator agree without a word. */
export const configSecretName = ({ namespace, serviceAccount, routePick = "" }: Workload): string => {
  const digest = createHash("sha256").update(`${namespace}/${serviceAccount}/${routePick}`, "utf8").digest("hex");
  const readable = serviceAccount.slice(0, readableLengthMax).replace(/[.-]+$/, "");
  return `sidegate-${readable}-${digest.slice(0, 12)}`;
};

/** One line for queues, logs and maps. */
export const workloadKey = ({ namespace, serviceAccount, routePick = "" }: Workload): string =>
  `${namespace}/${serviceAccount}/${routePick}`;

/** True for a name that `configSecretName` may have made; a Secret of anybody else is very unlikely to have such a name. */
export const isConfigSecretName = (name: string): boolean => /^sidegate-.{1,40}-[0-9a-f]{12}$/.test(name);
