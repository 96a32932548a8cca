/** Checks, run in order, and what they found. */
import { KubeFault } from "../../kube/port.ts";

/** How a check ended. Skipped: it could not be looked at, and the reason is told. */
export type Verdict = "ok" | "warning" | "failed" | "skipped";

/** What a check found. */
export interface Finding {
  readonly verdict: Verdict;
  /** What was seen, a line each; for `ok` a remark such as the version. */
  readonly details?: readonly string[];
  /** What to do; stands with every warning and failure. */
  readonly fix?: string;
}

/** One check. */
export interface Check<Context> {
  readonly group: string;
  /** Stable name, for scripts. */
  readonly name: string;
  /** What holds when it is ok, as a sentence without a full stop. */
  readonly sentence: string;
  /** Its failure makes the rest pointless: they are skipped. */
  readonly isGate?: boolean;
  run(context: Context): Promise<Finding>;
}

/** A check with its finding. */
export interface CheckResult extends Finding {
  readonly group: string;
  readonly name: string;
  readonly sentence: string;
}

/** Lines of details that one check prints. */
const detailsMax = 10;

/** It is as it should be; `remarks` are shown behind the sentence. */
export const ok = (...remarks: readonly string[]): Finding => ({ verdict: "ok", details: remarks });
/** It could not be looked at. */
export const skipped = (why: string): Finding => ({ verdict: "skipped", details: [why] });
/** It works, but not as it should. */
export const warning = (details: readonly string[], fix: string): Finding => ({
  verdict: "warning",
  details: shortened(details),
  fix,
});
/** It does not work. */
export const failed = (details: readonly string[], fix: string): Finding => ({
  verdict: "failed",
  details: shortened(details),
  fix,
});

const shortened = (details: readonly string[]): readonly string[] =>
  details.length <= detailsMax ? details : [...details.slice(0, detailsMax), `and ${details.length - detailsMax} more`];

/** Runs them in order. Never throws for what the API server answers. */
export const runChecks = async <Context>(
  checks: readonly Check<Context>[],
  context: Context,
): Promise<readonly CheckResult[]> => {
  const results: CheckResult[] = [];
  let gate: string | undefined;
  for (const check of checks) {
    const { group, name, sentence } = check;
    const finding =
      gate === undefined ? await outcomeOf(check, context) : skipped(`not looked at, since "${gate}" failed`);
    results.push({ group, name, sentence, ...finding });
    if (check.isGate && finding.verdict === "failed") gate ??= sentence;
  }
  return results;
};

const outcomeOf = async <Context>(check: Check<Context>, context: Context): Promise<Finding> => {
  try {
    return await check.run(context);
  } catch (fault) {
    if (!(fault instanceof KubeFault)) throw fault;
    if (fault.status === 403)
      return skipped(`your account ${/cannot .+/.exec(fault.message)?.[0] ?? `may not look: ${fault.message}`}`);
    if (fault.status === 404) return failed([fault.message], "Install the chart of this release: docs/install.md.");
    return failed([fault.message], "Ask again; if it stays, look at the API server's own logs.");
  }
};

/** How many checks ended how. */
export const tallyOf = (results: readonly CheckResult[]): Readonly<Record<Verdict, number>> => {
  const tally = { ok: 0, warning: 0, failed: 0, skipped: 0 };
  for (const { verdict } of results) tally[verdict]++;
  return tally;
};
