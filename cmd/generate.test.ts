import { execFile } from "node:child_process";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, test } from "vitest";

const generate = (...options: string[]): Promise<{ code: number; output: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [join(import.meta.dirname, "generate.ts"), ...options], (fault, stdout, stderr) => {
      resolve({ code: fault ? Number(fault.code) : 0, output: stdout + stderr });
    });
  });

test("the committed files are those that the code makes", async ({ expect }) => {
  expect(await generate("--check")).toEqual({ code: 0, output: "" });
});

test("a file that is missing or was edited is named by the check, and written again", async ({ expect }) => {
  const root = await mkdtemp(join(tmpdir(), "generate-"));
  onTestFinished(() => rm(root, { recursive: true }));
  const empty = await generate("--check", "--root", root);
  expect(empty).toEqual({ code: 1, output: expect.stringContaining("crds/sidegate.dev_airoutes.yaml is missing") });

  await generate("--root", root);
  const file = join(root, "docs/reference/airoute.md");
  const written = await readFile(file, "utf8");
  await appendFile(file, "by hand\n");
  const edited = await generate("--check", "--root", root);
  expect(edited).toEqual({
    code: 1,
    output: "docs/reference/airoute.md differs from the code; run node cmd/generate.ts\n",
  });

  await generate("--root", root);
  expect(await readFile(file, "utf8")).toBe(written);
});
