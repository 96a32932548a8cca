// The README's five minutes, word for word: the commands are read from the page and run as they stand.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { clusterEnv, isOwnCluster, root } from "./harness/cluster.ts";
import { runCommand } from "./harness/command.ts";
import { systemNamespace, uninstallSidegate } from "./harness/installation.ts";
import { until } from "./harness/until.ts";

/** The indented lines of the section: commands before the first `$`, then commands with their output. */
const commandsOf = async (): Promise<readonly string[]> => {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const section = /## Five minutes on a cluster\n([\s\S]*?)\n## /.exec(readme)?.[1] ?? "";
  const lines = section.split("\n").filter((line) => line.startsWith("    "));
  return lines
    .map((line) => line.trim())
    .filter((line) => /^(\$ )?(helm|kubectl) /.test(line))
    .map((line) => line.replace(/^\$ /, ""));
};

const run = (command: string): Promise<string> =>
  runCommand("bash", ["-c", `cd "${root}" && ${command}`], { env: clusterEnv, timeoutMs: 240_000 });

afterAll(async () => {
  await run("kubectl delete namespace demo --ignore-not-found --wait");
});

// The images' names are those of the chart's own values only on the project's cluster.
test.skipIf(!isOwnCluster)("the commands work as they stand, and show what the page shows", async () => {
  await uninstallSidegate();
  await run(`kubectl delete namespace ${systemNamespace} --ignore-not-found --wait`);
  const commands = await commandsOf();
  expect(commands.map((command) => command.split(" ").slice(0, 2).join(" "))).toEqual([
    "helm install",
    "kubectl apply",
    "kubectl wait",
    "kubectl logs",
    "kubectl get",
  ]);
  const [install = "", apply = "", wait = "", logs = "", get = ""] = commands;
  for (const command of [install, apply, wait]) await run(command);
  const output = await until(
    "five answers and a refusal",
    async () => {
      const text = await run(logs);
      return /^429 Rate limit reached/m.test(text) && text;
    },
    60_000,
  );
  expect(output.match(/^200 /gm)).toHaveLength(5);
  const table = await until(
    "the use",
    async () => {
      const text = await run(get);
      return / requests +5 +0 /.test(text) && text;
    },
    20_000,
  );
  expect(table).toMatch(/airoute\.sidegate\.dev\/assistant +default +True +True +1 +1 /);
});
