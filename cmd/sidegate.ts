/** The command line: `sidegate COMMAND`. */
import about from "../package.json" with { type: "json" };
import { check, checkUsage } from "../src/cli/check.ts";
import { injectFiles, injectUsage } from "../src/cli/inject.ts";
import { key, keyUsage } from "../src/cli/key.ts";
import { provider, providerUsage } from "../src/cli/provider.ts";
import { quota, quotaUsage } from "../src/cli/quota.ts";
import { run, runUsage } from "../src/cli/run.ts";
import { top, topUsage } from "../src/cli/top.ts";
import { UsageFault } from "../src/cli/usage.ts";
import { validate, validateUsage } from "../src/cli/validate.ts";
import { whoami, whoamiUsage } from "../src/cli/whoami.ts";
import { RedisUrlFault } from "../src/redis/url.ts";

const usage = `Usage: sidegate COMMAND [options]

${runUsage}

${validateUsage}

${injectUsage}

${providerUsage}

${checkUsage}

${keyUsage}

${whoamiUsage}

${topUsage}

${quotaUsage}

sidegate help | version
`;

async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  if (command === undefined || command === "help" || args.includes("--help") || args.includes("-h")) {
    process.stdout.write(usage);
    return command === undefined ? 2 : 0;
  }
  if (command === "version" || command === "--version") {
    process.stdout.write(`${about.version}\n`);
    return 0;
  }
  if (command === "run") return run(rest, process.env);
  if (command === "validate") return validate(rest);
  if (command === "inject") return injectFiles(rest);
  if (command === "provider") return provider(rest);
  if (command === "check") return check(rest, process.env, about.version);
  if (command === "key") return key(rest);
  if (command === "whoami") return whoami(rest, process.env);
  if (command === "top") return top(rest);
  if (command === "quota") return quota(rest, process.env);
  throw new UsageFault(`unknown command ${command}`);
}

/** What the user can mend, in a sentence; undefined: it is our own fault, and its stack is wanted. */
function faultText(fault: unknown): string | undefined {
  if (fault instanceof UsageFault) return `${fault.message}\nsidegate help lists the commands.`;
  if (fault instanceof RedisUrlFault) return `--redis: ${fault.message}`;
  if (!(fault instanceof Error && "syscall" in fault && fault.syscall === "listen")) return undefined;
  return `cannot listen (${fault.message}): is another one running? --listen, --admin and --issuer take other addresses`;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (fault) {
  const text = faultText(fault);
  if (text === undefined) throw fault;
  process.stderr.write(`sidegate: ${text}\n`);
  process.exit(2); // servers that did start must not keep a command alive that has failed
}
