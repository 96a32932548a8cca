import { writeFileSync } from "node:fs";
import type { Reporter } from "vitest/node";

/** How many tests ended how. A file that cannot be loaded and an error outside every test count as one failed test each. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The closing line of a test run. */
export const tallyLine = (tally: Tally): string =>
  `${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`;

/** A vitest reporter that writes the tally of the run to `file` as JSON. */
export const tallyReporter = (file: string): Reporter => ({
  onTestRunEnd(modules, unhandledErrors) {
    let passed = 0;
    let failed = unhandledErrors.length;
    let skipped = 0;
    for (const module of modules) {
      let failedHere = 0;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") passed += 1;
        else if (state === "skipped") skipped += 1;
        else failedHere += 1; // failed, or still pending because the worker died
      }
      const isBroken = !module.ok() || module.state() !== "passed";
      if (failedHere === 0 && isBroken && module.state() !== "skipped") failedHere = 1;
      failed += failedHere;
    }
    writeFileSync(file, JSON.stringify({ passed, failed, skipped } satisfies Tally));
  },
});
