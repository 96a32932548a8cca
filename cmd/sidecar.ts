/** The sidecar's process: reads settings from its environment, starts, follows its config, drains on SIGTERM. */
import about from "../package.json" with { type: "json" };
import { systemClock } from "../src/base/clock.ts";
import { logLastWords } from "../src/base/last-words.ts";
import { createLog, logLevels } from "../src/base/log.ts";
import { loadConfig, watchConfig } from "../src/sidecar/config-watch.ts";
import { settingsText, sidecarSettings } from "../src/sidecar/settings.ts";
import { startSidecar } from "../src/sidecar/sidecar.ts";
import { openStores } from "../src/sidecar/stores/stores.ts";

async function main(): Promise<number> {
  const settings = sidecarSettings(process.env);
  const log = createLog({ name: "sidecar", level: settings.logLevel });
  const { config, digest, contract } = loadConfig(settings.configPath);
  const stores = await openStores({
    redisFile: settings.redisFile,
    redisUrl: settings.redisUrl,
    clock: systemClock,
    log,
  });
  const sidecar = await startSidecar({ ...settings, config, digest, contract, stores, log, release: about.version });
  log.info({ url: sidecar.url, admin: sidecar.adminUrl, digest, stores: stores.kind }, "listening");
  const unwatch = watchConfig(settings.configPath, digest, {
    changed: (loaded) => sidecar.reload(loaded.config, loaded.digest, loaded.contract),
    refused: (why) => sidecar.reloadFailed(why),
  });
  await new Promise<void>((resolve) => {
    process.once("SIGTERM", () => resolve());
    process.once("SIGINT", () => resolve());
  });
  unwatch();
  const failed = await sidecar.stop();
  return failed.length === 0 ? 0 : 1;
}

logLastWords(createLog({ name: "sidecar", level: "info" }));
if (process.argv.includes("--help")) {
  process.stdout.write(
    `sidecar: settings come from the environment\n${settingsText()}Log levels: ${logLevels.join(", ")}\n`,
  );
} else {
  process.exitCode = await main();
}
