import { readFileSync } from "node:fs";
import type { SourceFile } from "../resources/document.ts";
import { UsageFault } from "./usage.ts";

/** Largest file of resources, in bytes. */
export const fileBytesMax = 16 * 1024 * 1024;

/** A file of resources; `-` reads stdin. Throws UsageFault when it cannot be read or is too large. */
export function readSource(path: string): SourceFile {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path === "-" ? 0 : path);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    throw new UsageFault(`${path}: cannot be read (${code})`);
  }
  if (bytes.length > fileBytesMax) throw new UsageFault(`${path}: larger than ${fileBytesMax} bytes`);
  return { path, text: bytes.toString("utf8") };
}
