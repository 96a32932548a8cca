import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { silentLog } from "../base/log.ts";
import { sidecarPlaces } from "../inject/settings.ts";
import { readRedisFile } from "./redis-file.ts";
import { SettingsFault, sidecarSettings } from "./settings.ts";
import { openStores } from "./stores/stores.ts";

const must = { SIDEGATE_NAMESPACE: "team", SIDEGATE_SERVICE_ACCOUNT: "bot" };
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sidegate-settings-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("Redis is where a file or a URL says, never where both do", () => {
  expect(sidecarSettings(must)).toMatchObject({ redisFile: undefined, redisUrl: undefined });
  expect(sidecarSettings({ ...must, SIDEGATE_REDIS_FILE: "/x" }).redisFile).toBe("/x");
  expect(sidecarSettings({ ...must, SIDEGATE_REDIS_URL: "redis://r" }).redisUrl).toBe("redis://r");
  const both = () => sidecarSettings({ ...must, SIDEGATE_REDIS_FILE: "/x", SIDEGATE_REDIS_URL: "redis://r" });
  expect(both).toThrow(SettingsFault);
  expect(both).toThrow(/SIDEGATE_REDIS_FILE and SIDEGATE_REDIS_URL/);
});

test("there is a port for other pods where the injector says so, else none", () => {
  expect(sidecarSettings(must).podListen).toBeUndefined();
  const given = { ...must, SIDEGATE_POD_LISTEN: `[::]:${sidecarPlaces.podPort}` };
  expect(sidecarSettings(given).podListen).toEqual({ host: "::", port: 15_102 });
  expect(() => sidecarSettings({ ...must, SIDEGATE_POD_LISTEN: "15102" })).toThrow(
    "SIDEGATE_POD_LISTEN must be HOST:PORT",
  );
});

test("a token is nothing without the pod that it must be of", () => {
  expect(sidecarSettings(must).token).toBeUndefined();
  const token = { SIDEGATE_TOKEN_FILE: "/t", SIDEGATE_POD: "bot-1", SIDEGATE_POD_UID: "u" };
  expect(sidecarSettings({ ...must, ...token }).token).toEqual({
    file: "/t",
    pod: { namespace: "team", serviceAccount: "bot", pod: "bot-1", podUid: "u" },
  });
  for (const missing of ["SIDEGATE_POD", "SIDEGATE_POD_UID"])
    expect(() => sidecarSettings({ ...must, ...token, [missing]: "" })).toThrow(
      "SIDEGATE_TOKEN_FILE needs SIDEGATE_POD and SIDEGATE_POD_UID",
    );
});

test("tokens for providers are found by their audience, as the injector writes them", () => {
  expect(sidecarSettings(must).tokens).toEqual({ directory: sidecarPlaces.paths.tokens, audiences: [] });
  const audiences = ["sidegate", "https://api.openai.com/v1"];
  const given = { ...must, SIDEGATE_TOKENS: "/t", SIDEGATE_TOKEN_AUDIENCES: JSON.stringify(audiences) };
  expect(sidecarSettings(given).tokens).toEqual({ directory: "/t", audiences });
  expect(sidecarPlaces.tokenFile(1)).toBe("token-1");
  for (const wrong of ["", "sidegate", "{}", "[1]"])
    expect(() => sidecarSettings({ ...must, SIDEGATE_TOKEN_AUDIENCES: wrong })).toThrow("must be a JSON list of texts");
});

describe("a redis.json", () => {
  test.each([
    { name: "that is missing", text: undefined, says: "cannot be read (ENOENT)" },
    { name: "that is half written", text: '{"url":"redis://u:geheim@', says: "not JSON" },
    { name: "without a url", text: "{}", says: "url must be a string" },
    { name: "that is too large", text: " ".repeat(300_000), says: "larger than" },
  ])("$name ends the start with its name, and memory is never used instead", async ({ text, says }) => {
    const path = join(folder, "redis.json");
    rmSync(path, { force: true });
    if (text !== undefined) writeFileSync(path, text);
    const read = () => readRedisFile(path);
    expect(read).toThrow(SettingsFault);
    expect(read).toThrow(says);
    expect(read).toThrow(path);
    expect(read).not.toThrow("geheim");
    await expect(openStores({ redisFile: path, clock: systemClock, log: silentLog() })).rejects.toThrow(SettingsFault);
  });
});
