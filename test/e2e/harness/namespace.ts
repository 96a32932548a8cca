import { randomBytes } from "node:crypto";
import { afterAll, beforeAll } from "vitest";
import { collectEvidence } from "./evidence.ts";
import { apply, remove } from "./kubectl.ts";

/** How a namespace is made. */
export interface NamespaceOptions {
  /** Pod Security Standard that it enforces; default restricted. */
  readonly podSecurity?: "restricted" | "baseline" | "privileged";
  readonly labels?: Readonly<Record<string, string>>;
}

/** Makes a namespace, or changes its labels. */
export const makeNamespace = async (name: string, options: NamespaceOptions = {}): Promise<void> => {
  const labels = { "pod-security.kubernetes.io/enforce": options.podSecurity ?? "restricted", ...options.labels };
  await apply({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
};

/**
 * A namespace of the test file's own, or of the describe's, that exists while its tests run: `const namespace = useNamespace("quota")`.
 * When a hook fails, what the cluster knows is kept first. With SIDEGATE_E2E_KEEP=1 the namespace of a failed file stays.
 */
export const useNamespace = (word: string, options: NamespaceOptions = {}): string => {
  const name = `e2e-${word}-${randomBytes(3).toString("hex")}`;
  beforeAll(async () => {
    await makeNamespace(name, options);
  });
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of fixtures from this pattern
  afterAll(async ({}, suite) => {
    const hasFailed = suite.result?.state === "fail";
    if (hasFailed) await collectEvidence(`${word}-hooks`);
    if (hasFailed && process.env["SIDEGATE_E2E_KEEP"] === "1") return;
    // Pods end before the next file begins; the namespace itself is slower to go than anything needs to wait for.
    await remove(["deployments,statefulsets,jobs,pods", "--all", "--wait", "--timeout=90s"], name);
    await remove(["namespace", name, "--wait=false"]);
  });
  return name;
};
