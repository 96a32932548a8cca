// Runs the test suites and ends with one plain line over all of them: "N passed, N failed, N skipped".
// usage: node scripts/test.ts [--tier NAME[,NAME]] [vitest arguments, for example a part of a file's path or -u]
// Leaves 1 when a test failed or none ran; with CI=true also when one was skipped.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Tally, tallyLine } from "./tally.ts";
import { needs, type Tier, tiers } from "./tiers.ts";

const root = resolve(import.meta.dirname, "..");
const tallyFile = resolve(root, ".cache/test-tally.json");
const runMinutesMax = 30;

const isPresent: Readonly<Record<keyof typeof needs, () => boolean>> = {
  redis: () => spawnSync("redis-server", ["--version"], { stdio: "ignore" }).status === 0,
  python: () => !existsSync(`${root}/test/sdk/requirements.txt`) || existsSync(`${root}/.venv/.installed`),
};

const chosenTiers = (names: string | undefined): readonly Tier[] => {
  if (names === undefined) return tiers;
  const asked = names.split(",");
  const unknown = asked.filter((name) => !tiers.some((tier) => tier.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`No tier "${unknown.join(", ")}". Tiers: ${tiers.map((tier) => tier.name).join(", ")}\n`);
    process.exit(2);
  }
  return tiers.filter((tier) => asked.includes(tier.name));
};

const testFiles = (tier: Tier): string[] => globSync([...tier.include], { cwd: root });

/** With CI=true vitest would colour even what goes into a file. */
const plainUnlessTerminal = process.stdout.isTTY || process.env["FORCE_COLOR"] ? {} : { NO_COLOR: "1" };

/** Runs vitest in a process of its own, so that the closing line appears however vitest ends. */
const runVitest = async (chosen: readonly Tier[], passedOn: readonly string[]): Promise<Tally> => {
  mkdirSync(dirname(tallyFile), { recursive: true });
  rmSync(tallyFile, { force: true });
  const child = spawn(
    process.execPath,
    [
      resolve(root, "node_modules/vitest/vitest.mjs"),
      "run",
      ...chosen.map((tier) => `--project=${tier.name}`),
      ...passedOn,
    ],
    {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...plainUnlessTerminal, ...process.env, SIDEGATE_TALLY_FILE: tallyFile },
    },
  );
  const timer = setTimeout(() => {
    process.stderr.write(`The tests did not end within ${runMinutesMax} minutes.\n`);
    child.kill("SIGKILL");
  }, runMinutesMax * 60_000);
  const exitCode = await new Promise<number>((done) => {
    child.on("close", (code) => done(code ?? 1));
  });
  clearTimeout(timer);
  if (!existsSync(tallyFile)) return { passed: 0, failed: 1, skipped: 0 };
  const tally: Tally = JSON.parse(readFileSync(tallyFile, "utf8"));
  return exitCode !== 0 && tally.failed === 0 ? { ...tally, failed: 1 } : tally;
};

/** Says which tiers cannot run and why; each of their files counts as one skipped test. */
const reportMissing = (tier: Tier, missing: readonly (keyof typeof needs)[]): number => {
  const count = testFiles(tier).length;
  for (const need of missing) {
    process.stdout.write(`SKIPPED tier ${tier.name} (${count} files): no ${needs[need].name}. ${needs[need].remedy}\n`);
  }
  return count;
};

const main = async (): Promise<number> => {
  const { values, tokens } = parseArgs({
    options: { tier: { type: "string" } },
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const ownArguments = new Set<number>();
  for (const token of tokens) {
    if (token.kind !== "option" || token.name !== "tier") continue;
    ownArguments.add(token.index);
    if (token.inlineValue === false) ownArguments.add(token.index + 1);
  }
  const passedOn = process.argv.slice(2).filter((_, index) => !ownArguments.has(index));

  const runnable: Tier[] = [];
  const blocked: (() => number)[] = [];
  for (const tier of chosenTiers(typeof values.tier === "string" ? values.tier : undefined)) {
    if (testFiles(tier).length === 0) continue;
    const missing = tier.needs.filter((need) => !isPresent[need]());
    if (missing.length === 0) runnable.push(tier);
    else blocked.push(() => reportMissing(tier, missing));
  }
  const ran = runnable.length > 0 ? await runVitest(runnable, passedOn) : { passed: 0, failed: 0, skipped: 0 };
  const skippedByTier = blocked.reduce((sum, report) => sum + report(), 0); // said at the end, where it is read
  const tally = { ...ran, skipped: ran.skipped + skippedByTier };

  const isCi = process.env["CI"] === "true";
  if (isCi && tally.skipped > 0) process.stdout.write("With CI=true a skipped test fails the run.\n");
  if (tally.passed + tally.failed === 0) process.stdout.write("No test ran.\n");
  process.stdout.write(`${tallyLine(tally)}\n`);
  return tally.failed > 0 || tally.passed === 0 || (isCi && tally.skipped > 0) ? 1 : 0;
};

process.exitCode = await main();
