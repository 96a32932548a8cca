import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { UsageFault } from "../usage.ts";
import { textToJudge, whoamiOptions } from "./options.ts";

test("the service account is said in one of two ways", () => {
  const asked = { namespace: "demo", serviceAccount: "bot" };
  expect(whoamiOptions(["--identity", "demo/bot"])).toMatchObject(asked);
  expect(whoamiOptions(["-n", "demo", "--service-account", "bot"])).toMatchObject(asked);
  expect(whoamiOptions([])).toMatchObject({ namespace: undefined, serviceAccount: "default", files: [] });
});

test.each([
  { args: ["--identity", "demo/bot", "-n", "demo"], says: "use one way" },
  { args: ["--identity", "demo"], says: "--identity demo" },
  { args: ["-f", "x", "--context", "c"], says: "exclude each other" },
  { args: ["-o", "yaml"], says: "-o yaml" },
  { args: ["--cluster-issuer", "https://x"], says: "goes with -f" },
  { args: ["-f", "x", "--cluster-issuer", "http://x.example"], says: "must be https, or http on loopback" },
  { args: ["--token", "Canary"], says: "--token" },
])("$args is refused: $says", ({ args, says }) => {
  expect(() => whoamiOptions(args)).toThrow(UsageFault);
  expect(() => whoamiOptions(args)).toThrow(says);
});

test("a token on the command line is refused and not shown", () => {
  expect(() => whoamiOptions(["Canary"])).toThrow(/^(?!.*Canary).*--token-file/);
});

test("the text comes from the file, else from the environment, without blanks around it", () => {
  const folder = mkdtempSync(join(tmpdir(), "whoami-"));
  const file = join(folder, "token");
  writeFileSync(file, " a.b.c\n");
  expect(textToJudge(file, { SIDEGATE_TOKEN: "x" })).toBe("a.b.c");
  expect(textToJudge(undefined, { SIDEGATE_TOKEN: "x\n" })).toBe("x");
  writeFileSync(file, "x".repeat(65_537));
  expect(() => textToJudge(file, {})).toThrow("larger than");
  rmSync(folder, { recursive: true });
  expect(() => textToJudge(file, {})).toThrow("cannot be read (ENOENT)");
});
