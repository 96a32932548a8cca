/** The command line: `sidegate COMMAND`. */
import about from "../package.json" with { type: "json" };
import { faultRecord } from "../src/base/fault-record.ts";
import { check, checkUsage } from "../src/cli/check.ts";
import { injectFiles, injectUsage } from "../src/cli/inject.ts";
import { key, keyUsage } from "../src/cli/key.ts";
import { provider, providerUsage } from "../src/cli/provider.ts";
import { quota, quotaUsage } from "../src/cli/quota.ts";
import { run, runUsage } from "../src/cli/run.ts";
import { safeText } from "../src/cli/terminal-text.ts";
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

/** One line without a stack, and nothing that the code was given. Where it happened is shown to developers who ask for it. */
function unknownText(fault: unknown): string {
  const { type, message, at } = faultRecord(fault);
  const text = safeText(`${type}: ${message}`);
  if (process.env["SIDEGATE_STACK"]) return [text, ...at.map((line) => `    ${line}`)].join("\n");
  return `${text} (SIDEGATE_STACK=1 shows where)`;
}

function faultText(fault: unknown): string {
  if (fault instanceof UsageFault) return `${fault.message}\nsidegate help lists the commands.`;
  if (fault instanceof RedisUrlFault) return `--redis: ${fault.message}`;
  if (!(fault instanceof Error && "syscall" in fault && fault.syscall === "listen")) return unknownText(fault);
  return `cannot listen (${fault.message}): is another one running? --listen, --admin and --issuer take other addresses`;
}

function end(fault: unknown): never {
  process.stderr.write(`sidegate: ${faultText(fault)}\n`);
  process.exit(2); // servers that did start must not keep a command alive that has failed
}

process.on("uncaughtException", end);
// Whoever reads may stop, as `head` does: what a command does beside its output goes on, and its exit code stays what it found.
for (const output of [process.stdout, process.stderr])
  output.on("error", (fault: NodeJS.ErrnoException) => {
    if (fault.code !== "EPIPE") end(fault);
  });

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (fault) {
  end(fault);
}
