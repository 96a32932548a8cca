/** Everything that can be read of a sidecar and its Redis from outside, each under a name. */
import { Redis } from "ioredis";
import type { CanarySidecar } from "./sidecar-process.ts";
import { filesIn, type Stage } from "./stage.ts";

/** A thing that was said or stored. */
export type Output = readonly [where: string, content: string | Uint8Array];

/** Pages of the admin port. Collected while the sidecar runs, and more than once. */
export const pagesOf = async (sidecar: CanarySidecar, when: string): Promise<readonly Output[]> =>
  await Promise.all(
    ["/metrics", "/status", "/readyz", "/healthz", "/none"].map(
      async (path) => [`${path}, ${when}`, await sidecar.page(path)] as const,
    ),
  );

/** What /proc tells. */
export const procOf = (sidecar: CanarySidecar): readonly Output[] =>
  Object.entries(sidecar.proc()).map(([name, text]) => [`/proc/PID/${name}`, text] as const);

/** Keys with their values as DUMP has them, and what Redis knows of its users and slow commands. */
export async function redisOutputs(stage: Stage): Promise<readonly Output[]> {
  const redis = new Redis({ port: stage.redis.port, host: "127.0.0.1" });
  redis.on("error", () => undefined);
  try {
    const outputs: Output[] = [];
    let cursor = "0";
    do {
      const [next, keys] = await redis.scanBuffer(cursor, "COUNT", 500);
      cursor = next.toString();
      for (const key of keys) {
        outputs.push(["Redis key", key]);
        outputs.push([`Redis value of ${key.toString("latin1")}`, (await redis.dumpBuffer(key)) ?? ""]);
      }
    } while (cursor !== "0");
    const asked = ["ACL LIST", "ACL LOG", "SLOWLOG GET 128", "CLIENT LIST", "INFO everything", "CONFIG GET *"];
    for (const line of asked) {
      const [name = "", ...args] = line.split(" ");
      outputs.push([`Redis ${line}`, JSON.stringify(await redis.call(name, ...args))]);
    }
    await redis.save();
    return outputs;
  } finally {
    redis.disconnect();
  }
}

/** RDB, AOF and Redis' own log, as bytes on the disk. */
const redisFiles = (stage: Stage): readonly Output[] =>
  filesIn(stage.redisFolder).map(([path, bytes]) => [`Redis file ${path}`, bytes] as const);

const saidBy = (sidecar: CanarySidecar): readonly Output[] => [
  ["log (stderr)", Buffer.from(sidecar.stderr(), "latin1")],
  ["audit (stdout)", Buffer.from(sidecar.stdout(), "latin1")],
];

/** What was written by the end of a test: logs, audit lines, files, and what Redis was told. */
export const writtenBy = (stage: Stage, sidecars: readonly CanarySidecar[]): readonly Output[] => [
  ...sidecars.flatMap(saidBy),
  ...redisFiles(stage),
  ...filesIn(stage.workFolder).map(([path, bytes]) => [`file of the sidecar, ${path}`, bytes] as const),
  ["MONITOR", Buffer.from(stage.monitored(), "latin1")],
];
