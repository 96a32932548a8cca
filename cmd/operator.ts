/** The operator's process: reads its settings, starts, and ends on SIGTERM in order. */
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { systemClock } from "../src/base/clock.ts";
import { logLastWords } from "../src/base/last-words.ts";
import { createLog } from "../src/base/log.ts";
import { createKubeApi } from "../src/kube/client.ts";
import { openConnection } from "../src/kube/connection.ts";
import { cleanup } from "../src/operator/cleanup.ts";
import { deploymentOwner } from "../src/operator/leading/deployment-owner.ts";
import { Operator } from "../src/operator/operator.ts";
import {
  type OperatorSettings,
  OperatorSettingsFault,
  operatorSettings,
  operatorSettingsTable,
} from "../src/operator/settings.ts";
import { awaitWebhook } from "../src/operator/startup.ts";
import { RedisState } from "../src/operator/state/redis-state.ts";
import { RedisUrlFault } from "../src/redis/url.ts";

/** PEM of Redis' authority; undefined: the system's. */
const caOf = ({ redisCaFile }: OperatorSettings): string | undefined =>
  redisCaFile === undefined ? undefined : readFileSync(redisCaFile, "utf8");

/** `--await-webhook --namespace NS --timeout-seconds N`: 0 when the API server reaches the webhook, else 1. It needs none of the settings. */
async function startup(): Promise<number> {
  const { values } = parseArgs({
    options: {
      "await-webhook": { type: "boolean" },
      namespace: { type: "string", default: "default" },
      "timeout-seconds": { type: "string", default: "120" },
    },
  });
  const connection = await openConnection({ env: process.env, clock: systemClock });
  const fault = await awaitWebhook({
    openApi: (timeoutMs) => createKubeApi(connection, { timeoutMs }),
    namespace: values.namespace,
    timeoutMs: Number(values["timeout-seconds"]) * 1_000,
    clock: systemClock,
    pause: setTimeout,
    log: createLog({ name: "operator", level: "info" }),
  });
  if (fault === undefined) return 0;
  process.stderr.write(`operator: ${fault}\n`);
  return 1;
}

async function main(): Promise<number> {
  if (process.argv.includes("--await-webhook")) return await startup();
  const settings = operatorSettings(process.env, (path) => readFileSync(path, "utf8"));
  const log = createLog({ name: "operator", level: settings.logLevel });
  const api = createKubeApi(await openConnection({ env: process.env, clock: systemClock }));
  const ca = caOf(settings);
  const { users } = settings.redis;
  const stateOf = (passwordsOf: (namespace: string) => readonly string[]): RedisState =>
    new RedisState({ place: { url: settings.redisUrl.reveal(), ca }, users, passwordsOf, log, clock: systemClock });
  if (process.argv.includes("--cleanup")) {
    const state = stateOf(() => []);
    await state.ready();
    await cleanup({ api, ...settings, removeUsers: () => state.removeAllUsers(), log, pause: setTimeout });
    await state.close();
    api.close();
    return 0;
  }
  const operator = new Operator({
    settings,
    api,
    openState: stateOf,
    sidecarRedis: { sidecarRedisUrl: settings.sidecarRedisUrl.reveal() || settings.redisUrl.reveal(), ca, users },
    owner: await deploymentOwner(api, settings),
    log,
  });
  const ended = Promise.withResolvers<void>();
  process.once("SIGTERM", () => ended.resolve());
  process.once("SIGINT", () => ended.resolve());
  await operator.start();
  await ended.promise;
  const failed = await operator.stop();
  api.close();
  return failed.length === 0 ? 0 : 1;
}

logLastWords(createLog({ name: "operator", level: "info" }));
if (process.argv.includes("--help")) {
  const lines = Object.entries(operatorSettingsTable).map(
    ([name, [, sentence]]) => `  ${name.padEnd(28)} ${sentence}\n`,
  );
  process.stdout.write(`operator: settings come from the environment and a file\n${lines.join("")}`);
} else {
  try {
    process.exitCode = await main();
  } catch (fault) {
    if (!(fault instanceof OperatorSettingsFault || fault instanceof RedisUrlFault)) throw fault;
    process.stderr.write(`operator: ${fault.message}\n`);
    process.exitCode = 2;
  }
}
