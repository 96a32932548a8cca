import { defineConfig } from "vitest/config";
import { tallyReporter } from "./scripts/tally.ts";
import { tiers } from "./scripts/tiers.ts";

const isCi = process.env["CI"] === "true";
const tallyFile = process.env["SIDEGATE_TALLY_FILE"];

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
    projects: tiers.map((tier) => ({
      extends: true as const,
      test: { name: tier.name, include: [...tier.include], sequence: { groupOrder: tier.group } },
    })),
  },
});
