/** Sidegate on the cluster, by its chart. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tokenHostsDefault } from "../../../src/inject/settings.ts";
import { clusterEnv, images, root } from "./cluster.ts";
import { type CommandOptions, runCommand } from "./command.ts";
import { makeNamespace } from "./namespace.ts";

/** Where the chart is installed. */
export const systemNamespace = "sidegate-system";
/** The release's name. */
export const release = "sidegate";

/** Nested values of the chart. */
export type ChartValues = { readonly [name: string]: unknown };

/** Runs helm; answers its standard output. Throws CommandFailed. */
export const helm = async (args: readonly string[], options: CommandOptions = {}): Promise<string> =>
  await runCommand("helm", args, { timeoutMs: 300_000, ...options, env: { ...clusterEnv, ...options.env } });

/**
 * A host that pods' tokens may go to, with its port; it does not exist. A pod that has it in its `hostAliases`, with the address of a
 * fake provider's Service, exchanges its tokens there.
 */
export const exchangeHost = { name: "exchange.sidegate.test", port: 8080 } as const;

/** The project's image and one Redis inside the release. */
const ownValues = (): ChartValues => {
  const [repository, tag] = /^(.*):([^/:]+)$/.exec(images.sidegate)?.slice(1) ?? [images.sidegate, "latest"];
  return {
    image: { repository, tag },
    redis: { embedded: { enabled: true, image: images.redis } },
  };
};

/** What only the current chart has a word for: the fake provider's host for exchanges. */
const currentValues = (): ChartValues => ({
  ...ownValues(),
  injection: { tokenHosts: [...tokenHostsDefault, `${exchangeHost.name}:${exchangeHost.port}`] },
});

/**
 * `helm upgrade --install --wait` of the chart, in a namespace that enforces `restricted`. `values` go over the image's and the in-chart
 * Redis'; objects are merged, everything else replaces. `chart`: another chart's folder, such as a kept one of an older release.
 */
export const installSidegate = async (
  values: ChartValues = {},
  { chart, args = [] }: { readonly chart?: string; readonly args?: readonly string[] } = {},
): Promise<void> => {
  await makeNamespace(systemNamespace);
  const folder = await mkdtemp(join(tmpdir(), "sidegate-values-"));
  try {
    await writeFile(join(folder, "own.json"), JSON.stringify(chart === undefined ? currentValues() : ownValues()));
    await writeFile(join(folder, "given.json"), JSON.stringify(values));
    await helm([
      ...[
        "upgrade",
        "--install",
        release,
        chart ?? join(root, "charts/sidegate"),
        "-n",
        systemNamespace,
        "--wait",
        "--timeout",
        "180s",
      ],
      ...["-f", join(folder, "own.json"), "-f", join(folder, "given.json"), ...args],
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
};

/** `helm uninstall --wait`; nothing to do where it is not installed. */
export const uninstallSidegate = async (): Promise<void> => {
  await helm(["uninstall", release, "-n", systemNamespace, "--wait", "--ignore-not-found", "--timeout", "300s"], {
    timeoutMs: 330_000,
  });
};
