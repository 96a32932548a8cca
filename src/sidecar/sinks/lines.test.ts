import { execFileSync } from "node:child_process";
import { constants, createReadStream, mkdtempSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as endOfTurn } from "node:timers/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import { AuditUnavailable } from "../ports/audit-sink.ts";
import { auditWriteTimeoutMs, descriptorAuditSink, fileAuditSink } from "./lines.ts";

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

describe("a pipe that nobody reads", () => {
  afterEach(() => void vi.useRealTimers());

  test("refuses what waits for 5 s, and serves again when somebody does, each group with its own time", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const path = join(mkdtempSync(join(tmpdir(), "audit-")), "fifo");
    execFileSync("mkfifo", [path]);
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    const sink = descriptorAuditSink(fd);
    await sink.write("first");
    vi.advanceTimersByTime(auditWriteTimeoutMs - 1); // its time is not that of the next one
    const line = "x".repeat(200_000);
    const stuck = sink.write(line).catch((fault: unknown) => fault);
    await endOfTurn();
    vi.advanceTimersByTime(auditWriteTimeoutMs - 1);
    expect(await Promise.race([stuck, endOfTurn("waits")])).toBe("waits");
    vi.advanceTimersByTime(1);
    expect(await stuck).toBeInstanceOf(AuditUnavailable);
    const reader = createReadStream(path);
    let seen = "";
    reader.on("data", (chunk) => {
      seen += chunk;
    });
    await sink.write("last");
    await vi.waitUntil(() => seen.endsWith("last\n"));
    expect(seen).toBe(`first\n${line}\nlast\n`);
    await sink.close();
    reader.destroy();
  });
});
