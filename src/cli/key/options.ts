/** The options of `sidegate key`, checked. Everything throws UsageFault naming the option and what to write. */
import { labelPattern, subdomainPattern } from "../../api/object.ts";
import { callerValueLengthMax, callerValuesMax } from "../../config/caller.ts";
import { kubeconfigOptions } from "../connection.ts";
import { parseOptions, UsageFault } from "../usage.ts";
import { isKeyId, type KeyMeaning } from "./entry.ts";
import { parseMoment, parseSpan } from "./moment.ts";

/** Which Secret, and where. */
export interface SecretOptions {
  readonly secret: string;
  readonly namespace: string | undefined;
  /** A file of resources; undefined: the cluster of the kubeconfig. */
  readonly file: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

const common = {
  secret: { type: "string" },
  namespace: { type: "string", short: "n" },
  file: { type: "string", short: "f" },
  ...kubeconfigOptions,
} as const;

/** `key create`. */
export const createOptions = (args: readonly string[], nowMs: number) => {
  const { values } = parseOptions({
    args: [...args],
    options: {
      ...common,
      user: { type: "string" },
      id: { type: "string" },
      tenant: { type: "string" },
      role: { type: "string", multiple: true, default: [] },
      group: { type: "string", multiple: true, default: [] },
      expires: { type: "string" },
      "not-before": { type: "string" },
    },
  });
  if (values.user === undefined) throw new UsageFault("--user: say whose key it is, such as --user alice");
  const notBeforeMs = momentOf("--not-before", values["not-before"], nowMs);
  const expiresMs = values.expires === "never" ? undefined : endOf(values.expires, nowMs);
  if (expiresMs !== undefined && notBeforeMs !== undefined && expiresMs <= notBeforeMs)
    throw new UsageFault(`--expires ${values.expires}: must be after --not-before`);
  const meaning: KeyMeaning = {
    user: nameOf("--user", values.user),
    tenant: values.tenant === undefined ? undefined : nameOf("--tenant", values.tenant),
    roles: namesOf("--role", values.role),
    groups: namesOf("--group", values.group),
    notBeforeMs,
    expiresMs,
  };
  return {
    ...secretOf(values),
    id: values.id === undefined ? undefined : idOf(`--id ${values.id}`, values.id),
    meaning,
  };
};

/** `key revoke ID`. `endMs`: when it ends; undefined: at once, and the entry goes. */
export const revokeOptions = (args: readonly string[], nowMs: number) => {
  const { values, positionals } = parseOptions({
    args: [...args],
    allowPositionals: true,
    options: { ...common, after: { type: "string" } },
  });
  const endMs = values.after === undefined ? undefined : nowMs + parseSpan("--after", values.after);
  return { ...secretOf(values), id: onlyId("revoke", positionals), endMs };
};

/** `key rotate ID`. `newEnd` undefined: nothing was said. */
export const rotateOptions = (args: readonly string[], nowMs: number) => {
  const { values, positionals } = parseOptions({
    args: [...args],
    allowPositionals: true,
    options: { ...common, overlap: { type: "string", default: "24h" }, expires: { type: "string" } },
  });
  const newEnd =
    values.expires === undefined
      ? undefined
      : { expiresMs: values.expires === "never" ? undefined : endOf(values.expires, nowMs) };
  const oldEndMs = nowMs + parseSpan("--overlap", values.overlap);
  return { ...secretOf(values), id: onlyId("rotate", positionals), oldEndMs, newEnd };
};

/** `key list`. */
export const listOptions = (args: readonly string[]) => {
  const { values } = parseOptions({ args: [...args], options: { ...common, output: { type: "string", short: "o" } } });
  if (values.output !== undefined && values.output !== "json")
    throw new UsageFault(`-o ${values.output}: must be json, or left out`);
  return { ...secretOf(values), isJson: values.output === "json" };
};

const secretOf = (values: Partial<SecretOptions>): SecretOptions => {
  const { secret, namespace, file, kubeconfig, context } = values;
  if (secret === undefined)
    throw new UsageFault("--secret: name the Secret that the route names in spec.identity.apiKeys.secretRef");
  if (!new RegExp(subdomainPattern).test(secret) || secret.length > 253)
    throw new UsageFault(`--secret ${secret}: must be lower-case letters, digits, '-' and '.'`);
  if (namespace !== undefined && (!new RegExp(labelPattern).test(namespace) || namespace.length > 63))
    throw new UsageFault(`-n ${namespace}: must be lower-case letters, digits and '-'`);
  if (file !== undefined && (kubeconfig !== undefined || context !== undefined))
    throw new UsageFault(
      "-f and --kubeconfig or --context exclude each other: a key goes into a file or into a cluster",
    );
  return { secret, namespace, file, kubeconfig, context };
};

const onlyId = (command: string, positionals: readonly string[]): string => {
  const [id, ...more] = positionals;
  if (id === undefined || more.length > 0)
    throw new UsageFault(`key ${command}: name one key by its id; sidegate key list shows them`);
  return idOf(id, id);
};

const idOf = (shown: string, id: string): string => {
  if (/^sgk-.*-[A-Za-z0-9_-]{43}$/.test(id))
    throw new UsageFault(
      "name the key by its id, never by itself: what stands on a command line can be read by others",
    );
  if (!isKeyId(id)) throw new UsageFault(`${shown}: an id is lower-case letters, digits and '-', at most 63`);
  return id;
};

/** What names a caller: as the contract has it, and not one of the cluster's own. */
const nameOf = (option: string, text: string): string => {
  if (text.length === 0 || text.length > callerValueLengthMax || /\p{Cc}/u.test(text) || text.trim() !== text)
    throw new UsageFault(
      `${option} ${JSON.stringify(text.slice(0, 64))}: must be 1 to ${callerValueLengthMax} characters, without blanks around it`,
    );
  if (text.startsWith("system:"))
    throw new UsageFault(`${option} ${text}: names that begin with system: are the cluster's own; choose another`);
  return text;
};

const namesOf = (option: string, texts: readonly string[]): readonly string[] => {
  if (texts.length > callerValuesMax) throw new UsageFault(`${option}: at most ${callerValuesMax} times`);
  return [...new Set(texts.map((text) => nameOf(option, text)))];
};

const momentOf = (option: string, text: string | undefined, nowMs: number): number | undefined =>
  text === undefined ? undefined : parseMoment(option, text, nowMs);

const endOf = (text: string | undefined, nowMs: number): number | undefined => {
  const endMs = momentOf("--expires", text, nowMs);
  if (endMs !== undefined && endMs <= nowMs) throw new UsageFault(`--expires ${text}: is over already`);
  return endMs;
};
