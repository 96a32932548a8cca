/** The fake provider as a process of its own, started as people start it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";

const root = join(import.meta.dirname, "../..");

test("the process says where it listens, answers who has the key, and ends on SIGTERM", async () => {
  const child = spawn(process.execPath, ["src/fakeprovider/main.ts", "--port", "0", "--key", "right"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const { url, port } = JSON.parse(String(line));
  expect(url).toBe(`http://127.0.0.1:${port}`);

  const chat = (key: string): Promise<Response> =>
    fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "hello" }] }),
    });
  const answer = await chat("right");
  expect([answer.status, await answer.json()]).toMatchObject([
    200,
    { object: "chat.completion", choices: [{ message: { role: "assistant" } }] },
  ]);
  expect((await chat("wrong")).status).toBe(401);

  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});
