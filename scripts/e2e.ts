// Everything that needs a real Kubernetes: tests against an API server, then tests on a whole cluster; one closing line over both.
// usage: node scripts/e2e.ts [vitest arguments, for example a part of a file's path]
// Builds the binaries, brings the cluster up and takes it down again. A cluster that was up before stays up, as it does with
// SIDEGATE_E2E_KEEP=1. With SIDEGATE_E2E_KUBECONFIG=FILE the tests run on that cluster, and nothing is built or brought up for them.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { clusterKubeconfig, foreignKubeconfig } from "./cluster-places.ts";
import type { Tally } from "./tally.ts";
import { close, root, runTiers, testFiles } from "./test-run.ts";
import { type Tier, tiers } from "./tiers.ts";

const missingCode = 3; // what the scripts leave when the machine lacks something, in contrast to a fault

const script = (name: string): number =>
  spawnSync(`${root}/scripts/cluster/${name}`, { cwd: root, stdio: ["ignore", "inherit", "inherit"] }).status ?? 1;

const tierNamed = (name: string): Tier[] => tiers.filter((tier) => tier.name === name);

/** Builds and brings up what is not there. "missing": this machine cannot, and the script has said why. */
const outcomeOf = (...names: readonly string[]): "done" | "missing" | "failed" => {
  for (const each of names) {
    const code = script(each);
    if (code === missingCode) return "missing";
    if (code !== 0) return "failed";
  }
  return "done";
};

/** A cluster that should have come up and did not fails each file of the tier; it does not skip them. */
const allFailed = (tier: Tier): Tally => {
  const failed = testFiles(tier).length;
  process.stdout.write(`FAILED tier ${tier.name} (${failed} files): the cluster did not come up; see above.\n`);
  return { passed: 0, failed, skipped: 0 };
};

const runOnCluster = async (built: ReturnType<typeof outcomeOf>, passedOn: readonly string[]): Promise<Tally> => {
  if (foreignKubeconfig()) return await runTiers(tierNamed("e2e"), passedOn);
  const wasUp = existsSync(clusterKubeconfig());
  const isKept = wasUp || process.env["SIDEGATE_E2E_KEEP"] === "1";
  const takeDown = (): void => {
    if (!isKept) script("down.sh");
  };
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.once(signal, () => {
      takeDown();
      process.exit(code);
    });
  }
  try {
    const outcome = built === "done" ? outcomeOf("up.sh", "images.sh") : built;
    if (outcome === "failed") return tierNamed("e2e").map(allFailed)[0] ?? { passed: 0, failed: 1, skipped: 0 };
    return await runTiers(tierNamed("e2e"), passedOn);
  } finally {
    takeDown();
  }
};

const passedOn = process.argv.slice(2);
const built = outcomeOf("build.sh");
// The API server's tests come first, while the machine is not busy with a whole cluster.
const first = await runTiers(tierNamed("apiserver"), passedOn);
const second = await runOnCluster(built, passedOn);
process.exitCode = close({
  passed: first.passed + second.passed,
  failed: first.failed + second.failed + (built === "failed" ? 1 : 0),
  skipped: first.skipped + second.skipped,
});
