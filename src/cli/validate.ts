/** `sidegate validate`: every fault of the files, as the cluster would see it. */
import { systemClock } from "../base/clock.ts";
import { faultLine, validateFiles } from "../resources/validate.ts";
import { readSource } from "./files.ts";
import { parseOptions, UsageFault } from "./usage.ts";

/** What `sidegate help` says of this command. */
export const validateUsage = `sidegate validate -f FILE...           every fault with file, line and field path; exit code 1 when there is one`;

/** Prints faults on stdout and notes on stderr; answers the exit code: 0 all is well, 1 faults. Throws UsageFault. */
export function validate(args: readonly string[]): number {
  const { values, positionals } = parseOptions({
    args: [...args],
    allowPositionals: true,
    options: { file: { type: "string", short: "f", multiple: true } },
  });
  const paths = [...(values.file ?? []), ...positionals];
  if (paths.length === 0) throw new UsageFault("name at least one file with -f");
  const { faults, notes } = validateFiles(paths.map(readSource), systemClock.nowMs());
  for (const note of notes) process.stderr.write(`${faultLine(note)} (note)\n`);
  for (const fault of faults) process.stdout.write(`${faultLine(fault)}\n`);
  process.stderr.write(faults.length === 0 ? `${paths.length} file(s), no faults\n` : `${faults.length} fault(s)\n`);
  return faults.length === 0 ? 0 : 1;
}
