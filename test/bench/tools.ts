// The programs that a run needs: there, or installed where that disturbs nobody, or named.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Program -> its package in Debian and Ubuntu. The first four are needed, the proxies only for their columns. */
const packages: Readonly<Record<string, string>> = {
  wrk: "wrk",
  h2load: "nghttp2-client",
  "redis-server": "redis-server",
  "redis-cli": "redis-tools",
  nginx: "nginx-light",
  haproxy: "haproxy",
};
/** Without these nothing can be measured. */
const needed = ["wrk", "h2load", "redis-server", "redis-cli"];

/** Whether a shell would find the program. */
export const isThere = (program: string): boolean =>
  (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(`${folder}/${program}`));

/** Root without a running systemd, as in a container: an installed package then starts no service. */
const mayInstall = (): boolean => process.getuid?.() === 0 && isThere("apt-get") && !existsSync("/run/systemd/system");

/** Installs what is missing where it may. Throws when a needed program is still missing; answers those missing beside. */
export function prepareTools(): string[] {
  process.env["PATH"] = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`; // Debian's proxies lie there
  const missing = (): string[] => Object.keys(packages).filter((program) => !isThere(program));
  const names = (programs: readonly string[]): string => programs.map((program) => packages[program]).join(" ");
  if (missing().length > 0 && mayInstall()) {
    console.error(`installing ${names(missing())} from the distribution`);
    const script = `apt-get update -qq && apt-get install -y -qq --no-install-recommends ${names(missing())}`;
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const { status, stderr } = spawnSync("sh", ["-c", script], { env, encoding: "utf8", timeout: 300_000 });
    if (status !== 0) console.error(stderr.split("\n").slice(-10).join("\n"));
  }
  const still = missing();
  const lacking = still.filter((program) => needed.includes(program));
  if (lacking.length > 0) {
    throw new Error(
      `cannot measure without ${lacking.join(", ")}. Debian, Ubuntu: sudo apt-get install ${names(lacking)}`,
    );
  }
  if (still.length > 0)
    console.error(`not measured, because not installed: ${still.join(", ")} (apt-get install ${names(still)})`);
  return still;
}

/** First line that a program prints about its version. */
export function versionOf(command: readonly string[]): string {
  const [file = "", ...args] = command;
  const { stdout, stderr } = spawnSync(file, args, { encoding: "utf8" });
  return `${stdout}${stderr}`.trim().split("\n")[0]?.trim() ?? "?";
}
