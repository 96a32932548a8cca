/** One API key as it stands in a Secret: the data key is its id, the value this JSON. `sidegate key` writes it; a hand may. */
import { z } from "zod";
import { callerValueLengthMax, callerValuesMax } from "../config/caller.ts";

/** The id of an API key, which is the name of its entry in the Secret. */
export const apiKeyIdPattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** As in a token: what could be spelt in two ways, or break a line, names nobody; `system:` is the cluster's own. */
const value = () =>
  z
    .string()
    .min(1)
    .max(callerValueLengthMax)
    .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text) && !text.startsWith("system:"));
const values = () => z.array(value()).max(callerValuesMax).default([]);
/** RFC 3339, with a zone: 2026-01-31T12:00:00Z. */
const moment = () => z.iso.datetime({ offset: true });

/** What the JSON must be. */
export const apiKeyEntrySchema = z.strictObject({
  /** 16 bytes in base64url. */
  salt: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  /** SHA-256 of the salt's bytes and the key's text, in base64url. */
  hash: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  user: value(),
  tenant: value().optional(),
  roles: values(),
  groups: values(),
  notBefore: moment().optional(),
  expires: moment().optional(),
});

/** An entry, defaults filled in. */
export type ApiKeyEntry = z.output<typeof apiKeyEntrySchema>;

const fields: ReadonlySet<string> = new Set(Object.keys(apiKeyEntrySchema.shape));

/** Either the entry, or what is wrong: names of the schema's own fields, and nothing that stands in the text. */
export const parseApiKeyEntry = (text: string): { readonly entry: ApiKeyEntry } | { readonly fault: string } => {
  const parsed = apiKeyEntrySchema.safeParse(parseJson(text));
  if (parsed.success) return { entry: parsed.data };
  const named = parsed.error.issues.map(({ path: [field] }) => String(field ?? ""));
  const wrong = [...new Set(named)].filter((name) => fields.has(name)).sort();
  if (wrong.length > 0) return { fault: `${wrong.join(", ")} is missing or not as it must be` };
  const isUnknown = parsed.error.issues.some(({ code }) => code === "unrecognized_keys");
  return { fault: isUnknown ? "it has a member that is unknown" : "it is not a JSON object" };
};

/** undefined, which is no entry, for what is no JSON: the parser's own message quotes the text. */
const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
