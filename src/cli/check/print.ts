/** The report as text for people, and as JSON for scripts. The wording is stable: scripts may look for a check's sentence. */
import { type CheckResult, tallyOf, type Verdict } from "./report.ts";

const colours: Readonly<Record<Verdict, string>> = {
  ok: "\u001b[32m",
  warning: "\u001b[33m",
  failed: "\u001b[31m",
  skipped: "\u001b[36m",
};
const plain = "\u001b[0m";
const verdictWidth = 8;
const indent = " ".repeat(verdictWidth + 3);

/** Groups, a line for each check, and below it what was seen and the fix. */
export const reportText = (results: readonly CheckResult[], { isColoured }: { isColoured: boolean }): string => {
  const lines: string[] = [];
  let group = "";
  for (const result of results) {
    if (result.group !== group) lines.push(...(group === "" ? [] : [""]), result.group);
    group = result.group;
    lines.push(...linesOf(result, isColoured));
  }
  const { ok, warning, failed, skipped } = tallyOf(results);
  lines.push(
    "",
    `${ok} ok, ${warning} ${warning === 1 ? "warning" : "warnings"}, ${failed} failed, ${skipped} skipped`,
  );
  return `${lines.join("\n")}\n`;
};

const linesOf = ({ verdict, sentence, details = [], fix }: CheckResult, isColoured: boolean): string[] => {
  const padded = verdict.padEnd(verdictWidth);
  const shown = isColoured ? `${colours[verdict]}${padded}${plain}` : padded;
  const isRemark = verdict === "ok" && details.length > 0;
  const head = `  ${shown} ${sentence}${isRemark ? ` (${details.join(", ")})` : ""}`;
  return [
    head,
    ...(isRemark ? [] : details.map((detail) => `${indent}${detail}`)),
    ...(fix === undefined ? [] : [`${indent}fix: ${fix}`]),
  ];
};

/** The same for scripts: `verdict` is failed when any check failed. */
export const reportJson = (results: readonly CheckResult[]): string => {
  const counts = tallyOf(results);
  const verdict: Verdict = counts.failed > 0 ? "failed" : counts.warning > 0 ? "warning" : "ok";
  return `${JSON.stringify({ verdict, counts, checks: results }, undefined, 2)}\n`;
};
