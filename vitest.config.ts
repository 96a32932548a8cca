import { existsSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { tallyReporter } from "./scripts/tally.ts";
import { type Tier, tiers } from "./scripts/tiers.ts";

const isCi = process.env["CI"] === "true";
const tallyFile = process.env["SIDEGATE_TALLY_FILE"];

/** Serial tiers run in the order of their files' names; the others as vitest thinks best. */
class NameOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isSerial = (file: TestSpecification): boolean =>
      tiers.some((tier) => tier.isSerial && tier.name === file.project.name);
    const serial = files.filter(isSerial).sort((a, b) => (a.moduleId < b.moduleId ? -1 : 1));
    return [...(await super.sort(files.filter((file) => !isSerial(file)))), ...serial];
  }
}

const present = (path: string | undefined): string[] => (path !== undefined && existsSync(path) ? [path] : []);

const projectOf = (tier: Tier) => ({
  extends: true as const,
  test: {
    name: tier.name,
    include: [...tier.include],
    sequence: { groupOrder: tier.group },
    globalSetup: present(tier.globalSetup),
    setupFiles: present(tier.setupFile),
    ...(tier.timeoutMs === undefined ? {} : { testTimeout: tier.timeoutMs, hookTimeout: tier.timeoutMs }),
    ...(tier.isSerial ? { maxWorkers: 1, fileParallelism: false } : {}),
  },
});

export default defineConfig({
  cacheDir: ".cache/vite",
  test: {
    pool: "forks",
    maxWorkers: 2, // the machines that this is built on have two cores, and some tests measure time
    testTimeout: 20_000,
    hookTimeout: 20_000,
    teardownTimeout: 10_000,
    retry: 0,
    allowOnly: !isCi,
    passWithNoTests: true, // one tier or filter may match nothing; scripts/test.ts fails when the whole run is empty
    dangerouslyIgnoreUnhandledErrors: false,
    unstubEnvs: true,
    unstubGlobals: true,
    restoreMocks: true,
    // With CI=true vitest writes no snapshot, so a golden file that is missing fails.
    reporters: tallyFile ? ["default", tallyReporter(tallyFile)] : ["default"],
    sequence: { sequencer: NameOrder },
    projects: tiers.map(projectOf),
  },
});
