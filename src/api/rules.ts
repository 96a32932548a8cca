import type { z } from "zod";

/**
 * A rule over several fields, said twice: in CEL for the API server, in TypeScript for every other reader. Both stand side by
 * side so that they change together.
 */
export interface CrossFieldRule<Value> {
  /** True when the value is right; `self` is the object. Defaults are filled in, optional fields need has(). */
  readonly cel: string;
  /** What must hold, and what to write instead. */
  readonly message: string;
  /** The property at fault; absent: the object as a whole. */
  readonly path?: string;
  readonly check: (value: Value) => boolean;
}

/** The schema with its rules: enforced when it parses, and carried into the CRD as `x-kubernetes-validations`. */
export const withRules = <Schema extends z.ZodType>(
  schema: Schema,
  rules: readonly CrossFieldRule<z.output<Schema>>[],
): Schema =>
  schema
    .check((context) => {
      for (const rule of rules) {
        if (rule.check(context.value)) continue;
        context.issues.push({
          code: "custom",
          message: rule.message,
          path: rule.path ? [rule.path] : [],
          input: context.value,
        });
      }
    })
    .meta({
      "x-kubernetes-validations": rules.map(({ cel, message, path }) => ({
        rule: cel,
        message,
        ...(path ? { fieldPath: `.${path}` } : {}),
      })),
    });

/**
 * A text of a pattern. The API server knows the pattern, which tools read, and says `message`, which people read: as CEL rules do,
 * it stands beside the complaint about the pattern. The pattern must hold in RE2 and in JavaScript, and have no single quote.
 */
export const matching = (schema: z.ZodString, pattern: string, message: string): z.ZodString =>
  schema
    .regex(new RegExp(pattern), { error: message })
    .meta({ "x-kubernetes-validations": [{ rule: celMatches("self", pattern), message }] });

/** A list whose entries have names of their own; the API server holds it as a map by `name`. */
export const uniqueByName = <Schema extends z.ZodType<readonly { name: string }[]>>(schema: Schema): Schema =>
  schema
    .check((context) => {
      const seen = new Set<string>();
      context.value.forEach(({ name }, index) => {
        if (seen.has(name)) {
          const message = `${JSON.stringify(name)} stands here twice; names must be unique in this list`;
          context.issues.push({ code: "custom", message, path: [index, "name"], input: name });
        }
        seen.add(name);
      });
    })
    .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] });

/** A list of scalars, each at most once; the API server holds it as a set. */
export const uniqueScalars = <Schema extends z.ZodType<readonly (string | number)[]>>(schema: Schema): Schema =>
  schema
    .check((context) => {
      context.value.forEach((value, index) => {
        if (context.value.indexOf(value) === index) return;
        context.issues.push({
          code: "custom",
          message: `${JSON.stringify(value)} stands here twice`,
          path: [index],
          input: value,
        });
      });
    })
    .meta({ "x-kubernetes-list-type": "set" });

/** CEL for "`field` matches `pattern`"; the pattern must hold in RE2 and in JavaScript, and have no single quote. */
export const celMatches = (field: string, pattern: string): string => `${field}.matches(r'${pattern}')`;
