/** Runs tiers in a vitest process of its own and counts; for `make test` and `make e2e`. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { clusterBinaries, clusterKubeconfig } from "./cluster-places.ts";
import { type Tally, tallyLine } from "./tally.ts";
import { type NeedName, needs, type Tier } from "./tiers.ts";

/** The top folder of the project. */
export const root = resolve(import.meta.dirname, "..");

const tallyFile = resolve(root, ".cache/test-tally.json");
const runMinutesMax = 30;
const longRunMinutesMax = 60; // some tests wait for what takes minutes on a real cluster; whole proofs are long

const isPresent: Readonly<Record<NeedName, () => boolean>> = {
  redis: () => spawnSync("redis-server", ["--version"], { stdio: "ignore" }).status === 0,
  python: () => !existsSync(`${root}/test/sdk/requirements.txt`) || existsSync(`${root}/.venv/.installed`),
  kubernetes: () => existsSync(`${clusterBinaries()}/etcd`) && existsSync(`${clusterBinaries()}/kube-apiserver`),
  cluster: () => existsSync(clusterKubeconfig()),
};

const isLong = (chosen: readonly Tier[]): boolean =>
  process.env["SIDEGATE_PROOF"] === "1" || chosen.some((tier) => tier.isOnRequest);

/** With CI=true vitest would colour even what goes into a file. */
const plainUnlessTerminal = process.stdout.isTTY || process.env["FORCE_COLOR"] ? {} : { NO_COLOR: "1" };

/** A process of its own, so that the closing line appears however vitest ends. */
const runVitest = async (chosen: readonly Tier[], passedOn: readonly string[]): Promise<Tally> => {
  mkdirSync(dirname(tallyFile), { recursive: true });
  rmSync(tallyFile, { force: true });
  const projects = chosen.map((tier) => `--project=${tier.name}`);
  const child = spawn(
    process.execPath,
    [resolve(root, "node_modules/vitest/vitest.mjs"), "run", ...projects, ...passedOn],
    {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...plainUnlessTerminal, ...process.env, SIDEGATE_TALLY_FILE: tallyFile },
    },
  );
  const endChild = (): void => void child.kill("SIGKILL");
  process.once("exit", endChild); // vitest would go on alone when this process is told to leave
  const minutesMax = isLong(chosen) ? longRunMinutesMax : runMinutesMax;
  const timer = setTimeout(() => {
    process.stderr.write(`The tests did not end within ${minutesMax} minutes.\n`);
    child.kill("SIGKILL");
  }, minutesMax * 60_000);
  const exitCode = await new Promise<number>((done) => {
    child.on("close", (code) => done(code ?? 1));
  });
  clearTimeout(timer);
  process.off("exit", endChild);
  if (!existsSync(tallyFile)) return { passed: 0, failed: 1, skipped: 0 };
  const tally: Tally = JSON.parse(readFileSync(tallyFile, "utf8"));
  return exitCode !== 0 && tally.failed === 0 ? { ...tally, failed: 1 } : tally;
};

/** The files of a tier. */
export const testFiles = (tier: Tier): string[] => globSync([...tier.include], { cwd: root });

/** Says why a tier does not run; each of its files counts as one skipped test. */
const reportMissing = (tier: Tier, missing: readonly NeedName[]): number => {
  const count = testFiles(tier).length;
  for (const need of missing) {
    process.stdout.write(`SKIPPED tier ${tier.name} (${count} files): no ${needs[need].name}. ${needs[need].remedy}\n`);
  }
  return count;
};

/** Runs these tiers; those whose tools are missing are skipped and said so, after the tests, where it is read. */
export const runTiers = async (chosen: readonly Tier[], passedOn: readonly string[]): Promise<Tally> => {
  const runnable: Tier[] = [];
  const blocked: (() => number)[] = [];
  for (const tier of chosen) {
    if (testFiles(tier).length === 0) continue;
    const missing = tier.needs.filter((need) => !isPresent[need]());
    if (missing.length === 0) runnable.push(tier);
    else blocked.push(() => reportMissing(tier, missing));
  }
  const ran = runnable.length > 0 ? await runVitest(runnable, passedOn) : { passed: 0, failed: 0, skipped: 0 };
  const skippedByTier = blocked.reduce((sum, report) => sum + report(), 0);
  return { ...ran, skipped: ran.skipped + skippedByTier };
};

/** Writes the closing line. Answers the exit code: 1 when a test failed or none ran; with CI=true also when one was skipped. */
export const close = (tally: Tally): number => {
  const isCi = process.env["CI"] === "true";
  if (isCi && tally.skipped > 0) process.stdout.write("With CI=true a skipped test fails the run.\n");
  if (tally.passed + tally.failed === 0) process.stdout.write("No test ran.\n");
  process.stdout.write(`${tallyLine(tally)}\n`);
  return tally.failed > 0 || tally.passed === 0 || (isCi && tally.skipped > 0) ? 1 : 0;
};
