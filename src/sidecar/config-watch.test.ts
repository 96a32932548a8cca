import { mkdirSync, mkdtempSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodeConfig } from "../config/codec.ts";
import { contractVersion, type SidecarConfig } from "../config/contract.ts";
import { loadConfig, watchConfig } from "./config-watch.ts";

const config = (serviceAccount: string): SidecarConfig => ({
  contractVersion,
  subject: { namespace: "ns", serviceAccount },
  quotas: [],
  keys: [{ id: "k", secret: Buffer.alloc(32).toString("base64") }],
});

/** A directory as the kubelet makes it: `..data` is a symlink that is moved when the Secret changes. */
function mountedSecret(): { directory: string; put: (files: Record<string, string>) => void } {
  const directory = mkdtempSync(join(tmpdir(), "config-"));
  let version = 0;
  return {
    directory,
    put(files) {
      const data = `..v${version++}`;
      mkdirSync(join(directory, data));
      for (const [name, text] of Object.entries(files)) {
        writeFileSync(join(directory, data, name), text);
        try {
          symlinkSync(join("..data", name), join(directory, name));
        } catch {
          // stands from before
        }
      }
      symlinkSync(data, join(directory, "..new"));
      renameSync(join(directory, "..new"), join(directory, "..data"));
    },
  };
}

const next = <T>(register: (resolve: (value: T) => void) => void): Promise<T> => new Promise(register);

test("a change of the mounted Secret is seen, a broken one is refused once and the next good one is taken", async () => {
  const secret = mountedSecret();
  secret.put({ "config.v2.json": encodeConfig(config("a")), "config.v9.json": "from a newer operator" });
  const first = loadConfig(secret.directory);
  expect(first.config.subject.serviceAccount).toBe("a");
  let onChange: (name: string) => void = () => undefined;
  let onRefused: (why: string) => void = () => undefined;
  const stop = watchConfig(secret.directory, first.digest, {
    changed: (loaded) => onChange(loaded.config.subject.serviceAccount),
    refused: (why) => onRefused(why),
  });
  const changed = next<string>((resolve) => {
    onChange = resolve;
  });
  secret.put({ "config.v2.json": encodeConfig(config("b")) });
  expect(await changed).toBe("b");
  const refused = next<string>((resolve) => {
    onRefused = resolve;
  });
  secret.put({ "config.v2.json": encodeConfig(config("c")).replace('"ns"', "7") });
  expect(await refused).toContain("subject.namespace");
  const again = next<string>((resolve) => {
    onChange = resolve;
  });
  secret.put({ "config.v2.json": encodeConfig(config("d")) });
  expect(await again).toBe("d");
  stop();
});

test("a directory without a readable version is refused with a sentence", () => {
  const secret = mountedSecret();
  secret.put({ "config.v9.json": "{}" });
  expect(() => loadConfig(secret.directory)).toThrow(/no config of a version/);
});
