/** The command line: `sidegate COMMAND`. */
import { run, runUsage } from "../src/cli/run.ts";
import { UsageFault } from "../src/cli/usage.ts";
import { validate, validateUsage } from "../src/cli/validate.ts";

const usage = `Usage: sidegate COMMAND [options]

${runUsage}

${validateUsage}

sidegate help | version
`;

async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  if (command === undefined || command === "help" || args.includes("--help") || args.includes("-h")) {
    process.stdout.write(usage);
    return command === undefined ? 2 : 0;
  }
  if (command === "run") return run(rest, process.env);
  if (command === "validate") return validate(rest);
  throw new UsageFault(`unknown command ${command}`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (fault) {
  if (!(fault instanceof UsageFault)) throw fault;
  process.stderr.write(`sidegate: ${fault.message}\nsidegate help lists the commands.\n`);
  process.exitCode = 2;
}
