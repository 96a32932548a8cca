/** The namespace of a command line. */
import { labelPattern } from "../api/object.ts";
import { UsageFault } from "./usage.ts";

/** A namespace, checked. Throws UsageFault. */
export const namespaceOf = (text: string): string => {
  if (new RegExp(labelPattern).test(text) && text.length <= 63) return text;
  throw new UsageFault(`-n ${JSON.stringify(text.slice(0, 64))}: must be lower-case letters, digits and '-'`);
};

/** `-o json` or nothing. Throws UsageFault. */
export const isJsonOf = (output: string | undefined): boolean => {
  if (output !== undefined && output !== "json") throw new UsageFault(`-o ${output}: must be json, or left out`);
  return output === "json";
};
