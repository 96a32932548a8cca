/**
 * Where the compiler of conditions comes from. Who imports condition.ts has it, with the library behind it, from the start; a
 * sidecar, which needs it only for quotas with a condition, loads it when it comes upon the first.
 */
import { createRequire } from "node:module";
import type { CompileCondition } from "./facts.ts";

/** Beside a bundle: cmd/build.ts puts the name of that file here. */
declare const sidegateConditionsFile: string | undefined;
const file = typeof sidegateConditionsFile === "undefined" ? "./condition.ts" : sidegateConditionsFile;

let known: CompileCondition | undefined;

/** Makes a compiler the one of this process: it is here already. */
export const provideCompiler = (compile: CompileCondition): void => {
  known = compile;
};

/** The compiler; loads it if need be, before it returns. Throws what Node says when its file cannot be loaded. */
export const conditionCompiler = (): CompileCondition => {
  known ??= (createRequire(import.meta.url)(file) as { compileCondition: CompileCondition }).compileCondition; // its own exports
  return known;
};
