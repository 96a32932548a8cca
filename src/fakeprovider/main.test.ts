import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("the process says where it listens, answers, and ends on SIGTERM", async () => {
  const file = fileURLToPath(new URL("main.ts", import.meta.url));
  const child = spawn(process.execPath, [file, "--port", "0", "--key", "right"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(child.stdout, "data");
  const { url } = JSON.parse(String(line)) as { url: string }; // the line is checked by the calls below
  const statusFor = async (key: string) =>
    (await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status;
  expect([await statusFor("right"), await statusFor("wrong")]).toEqual([200, 401]);
  child.kill("SIGTERM");
  const [code] = await once(child, "exit");
  expect(code).toBe(0);
});
