// Runs the test suites and ends with one plain line over all of them: "N passed, N failed, N skipped".
// usage: node scripts/test.ts [--tier NAME[,NAME]] [vitest arguments, for example a part of a file's path or -u]
// Without --tier all but those that need Kubernetes, which `make e2e` runs.
import { parseArgs } from "node:util";
import { close, runTiers } from "./test-run.ts";
import { type Tier, tiers } from "./tiers.ts";

const chosenTiers = (names: string | undefined): readonly Tier[] => {
  if (names === undefined) return tiers.filter((tier) => !tier.isOnRequest);
  const asked = names.split(",");
  const unknown = asked.filter((name) => !tiers.some((tier) => tier.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`No tier "${unknown.join(", ")}". Tiers: ${tiers.map((tier) => tier.name).join(", ")}\n`);
    process.exit(2);
  }
  return tiers.filter((tier) => asked.includes(tier.name));
};

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
const chosen = chosenTiers(typeof values.tier === "string" ? values.tier : undefined);
process.exitCode = close(await runTiers(chosen, passedOn));
