// Bundles each process into one file: `node cmd/build.ts [--outdir DIR]`. Fails when the sidecar's file holds what it must not.

import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { build, type Metafile, type Plugin } from "esbuild";

/** One process of the image. */
interface Bundle {
  readonly name: string;
  /** Absent: `cmd/NAME.ts`. */
  readonly entry?: string;
  /** Flags of Node that the file carries in its first line, so that whoever starts the file cannot forget them. Absent: nobody starts it. */
  readonly nodeFlags?: readonly string[];
  /** Inputs that must not be in the file, as a pattern over their paths. */
  readonly forbidden?: RegExp;
}

const root = resolve(import.meta.dirname, "..");
const firstLineBytesMax = 255; // Linux cuts longer ones

/** Loaded by a sidecar that has a quota with a condition, from beside it. */
const conditions = "conditions";

const bundles: readonly Bundle[] = [
  {
    name: "sidecar",
    nodeFlags: [
      "--max-semi-space-size=6", // MiB; a young generation that holds the requests under way: 4 MiB cost a tenth more CPU, 1 a third more than 4, 16 take 30 MB more
      "--max-old-space-size=48", // MiB; a ceiling per pod
      "--max-http-header-size=65536", // bytes; our own limit answers with an error body before this one cuts
      "--disable-proto=delete", // JSON from outside cannot reach prototypes
      "--enable-experimental-regexp-engine-on-excessive-backtracks", // patterns end in linear time
    ],
    // Nothing that knows Kubernetes or YAML: the sidecar reads compiled JSON. And no reader of conditions, which has a file of its own.
    forbidden:
      /^(src\/(api|compile|resources|kube|inject|operator|cli|demo|fakeprovider)\/|node_modules\/(yaml|@kubernetes|fastify|@marcbachmann)\/)/,
  },
  { name: conditions, entry: "src/condition/condition.ts" },
  { name: "sidegate", nodeFlags: [] },
  {
    name: "operator",
    nodeFlags: [
      // Pages of 500 pods are garbage soon after: with 10,000 pods 40 MiB are in use, and at Node's own pace the process takes 360.
      "--max-semi-space-size=4", // MiB
      "--heap-growing-percent=20", // collects when the heap has grown by a fifth: 190 MiB, for 1.4 s more CPU at the start
    ],
  },
];

/** Packages written as CommonJS ask for these names, which modules do not have. */
const commonJsNames = [
  'const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);',
  "const __filename = import.meta.filename;",
  "const __dirname = import.meta.dirname;",
].join("\n");

const firstLine = (flags: readonly string[]): string =>
  `#!/usr/bin/env -S node${flags.map((flag) => ` ${flag}`).join("")}`;

/** A module of Node's as one with the same exports, of which each is read only where it is used. */
const exportsOf = (path: string): string => {
  const names = Object.getOwnPropertyNames(process.getBuiltinModule(path)).filter((name) =>
    /^[A-Za-z_]\w*$/.test(name),
  );
  const lines = names.map(
    (name, at) => `const e${at} = /* @__PURE__ */ (() => it.${name})(); export { e${at} as ${name} };`,
  );
  return [`const it = process.getBuiltinModule(${JSON.stringify(path)});`, "export default it;", ...lines].join("\n");
};

/**
 * Reads of Node's own modules what is used. An `import` of one reads every export that it has, and with `node:http` that loads Node's fetch, its
 * WebSocket and all that they need: 5 MiB of each sidecar.
 */
const builtinsAsUsed: Plugin = {
  name: "builtins as used",
  setup: ({ onResolve, onLoad }) => {
    const names = new Set(builtinModules.map((name) => name.replace(/^node:/, "")));
    onResolve({ filter: /^(node:)?[a-z_0-9]+(\/[a-z_0-9]+)*$/ }, ({ path, kind }) => {
      const name = path.replace(/^node:/, "");
      return kind === "import-statement" && names.has(name)
        ? { path: `node:${name}`, namespace: "builtin" }
        : undefined;
    });
    onLoad({ filter: /./, namespace: "builtin" }, ({ path }) => ({ contents: exportsOf(path), loader: "js" }));
  },
};

/**
 * In ASCII, or V8 keeps the whole text with two bytes for each character, 1.6 MB more. esbuild leaves others in patterns, where their escapes say the same;
 * they would not in `String.raw`, and a test keeps them from the only texts of ours that stand there (scripts.test.ts).
 */
const escaped = (text: string): string =>
  text.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

const heldAgainst = (metafile: Metafile, forbidden: RegExp | undefined): string[] =>
  forbidden ? Object.keys(metafile.inputs).filter((path) => forbidden.test(path)) : [];

async function bundle({ name, entry = `cmd/${name}.ts`, nodeFlags, forbidden }: Bundle, folder: string): Promise<void> {
  const line = nodeFlags ? firstLine(nodeFlags) : "";
  if (line.length > firstLineBytesMax)
    throw new RangeError(`${name}: the first line has more than ${firstLineBytesMax} bytes`);
  const outfile = join(folder, `${name}.mjs`);
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node26",
    banner: { js: `${line}\n${commonJsNames}`.trimStart() },
    define: { sidegateConditionsFile: JSON.stringify(`./${conditions}.mjs`) },
    plugins: [builtinsAsUsed],
    minifySyntax: true,
    minifyWhitespace: true, // a quarter less to parse and hold; names stay, so that stack traces can be read
    legalComments: "linked",
    metafile: true,
    logLevel: "warning",
  });
  const held = heldAgainst(metafile, forbidden);
  if (held.length > 0) throw new Error(`${name}.mjs must not hold ${held.join(", ")}`);
  await writeFile(outfile, escaped(await readFile(outfile, "utf8")));
  if (nodeFlags) await chmod(outfile, 0o755);
  await writeFile(join(folder, `${name}.meta.json`), JSON.stringify(metafile));
  const bytes = Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
  console.log(`${name}.mjs  ${Math.round(bytes / 1024)} KiB from ${Object.keys(metafile.inputs).length} files`);
}

const { values } = parseArgs({ options: { outdir: { type: "string", default: join(root, "dist") } } });
const folder = resolve(values.outdir);
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
for (const each of bundles) {
  if (existsSync(join(root, each.entry ?? `cmd/${each.name}.ts`))) await bundle(each, folder);
}
