import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

/** The top folder of the project. */
export const root = resolve(import.meta.dirname, "../..");

const skippedFolders = new Set(["node_modules", ".git", "dist", ".cache", ".venv", "coverage", "__pycache__"]);
const fileBytesMax = 2_000_000;

/** All files of the project, relative to its root with forward slashes, sorted; without what is installed or built. */
export const projectFiles = (): string[] => {
  const found: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (!skippedFolders.has(entry.name)) walk(path);
      } else if (entry.isFile()) {
        found.push(relative(root, path));
      }
    }
  };
  walk(root);
  return found.sort();
};

/** A file's text; undefined when it is not text (it holds a zero byte) or is too large to be written by hand. */
export const readText = (path: string): string | undefined => {
  const bytes = readFileSync(join(root, path));
  return bytes.length > fileBytesMax || bytes.includes(0) ? undefined : bytes.toString("utf8");
};
