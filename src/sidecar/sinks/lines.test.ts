import { mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { AuditUnavailable } from "../ports/audit-sink.ts";
import { fileAuditSink } from "./lines.ts";

const fresh = (): string => join(mkdtempSync(join(tmpdir(), "audit-")), "audit.jsonl");

describe("the audit file", () => {
  test("has every line once, whole and in order, however many come at once", async () => {
    const path = fresh();
    const sink = fileAuditSink(path);
    const lines = Array.from({ length: 500 }, (_, i) => JSON.stringify({ i }));
    await Promise.all(lines.map((line) => sink.write(line)));
    expect(readFileSync(path, "utf8")).toBe(`${lines.join("\n")}\n`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await sink.close();
  });

  test("that was torn by a crash goes on with a line of its own", async () => {
    const path = fresh();
    writeFileSync(path, '{"torn":');
    const sink = fileAuditSink(path);
    await sink.write('{"next":1}');
    await sink.close();
    expect(readFileSync(path, "utf8")).toBe('{"torn":\n{"next":1}\n');
  });

  test("that cannot be written refuses, and serves again without a restart when it can", async () => {
    const directory = mkdtempSync(join(tmpdir(), "audit-"));
    const path = join(directory, "later", "audit.jsonl");
    const sink = fileAuditSink(path);
    await expect(sink.write("{}")).rejects.toBeInstanceOf(AuditUnavailable);
    const { mkdirSync } = await import("node:fs");
    mkdirSync(join(directory, "later"));
    await sink.write("{}");
    expect(readFileSync(path, "utf8")).toBe("{}\n");
    await sink.close();
    await expect(sink.write("{}")).rejects.toBeInstanceOf(AuditUnavailable);
  });

  test("on a full disk refuses", async () => {
    const sink = fileAuditSink("/dev/full");
    await expect(sink.write("{}")).rejects.toBeInstanceOf(AuditUnavailable);
    await sink.close();
  });
});
