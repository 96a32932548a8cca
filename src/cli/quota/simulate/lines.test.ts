import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { QuotaCommandFault } from "../fault.ts";
import { linesOf } from "./lines.ts";
import { mergedRecords, nothingPassedOver, otherLinesRemark } from "./merged.ts";

const folder = mkdtempSync(join(tmpdir(), "lines-"));
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string | Buffer): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};

test("a file of gzip is named as such", async () => {
  const asked = linesOf(write("a.gz", gzipSync("{}\n"))).next();
  await expect(asked).rejects.toThrow(QuotaCommandFault);
  await expect(asked).rejects.toThrow("a.gz: is gzip: zcat it, and read that with --from -");
});

test("lines that a collector has wrapped are told where there is no record among them", async () => {
  const passedOver = nothingPassedOver();
  const wrapped = JSON.stringify({ log: JSON.stringify({ record: "intent" }) });
  const file = write("wrapped", `${wrapped}\n${wrapped}\nno JSON\n`);
  for await (const record of mergedRecords([file], passedOver)) expect(record).toBeUndefined();
  expect(otherLinesRemark(passedOver)).toEqual([expect.stringMatching(/^2 lines are no audit records: .*jq -r \.log/)]);
  expect(otherLinesRemark({ ...passedOver, lineCount: 4 })).toEqual([]);
  expect(otherLinesRemark(nothingPassedOver())).toEqual([]);
});
