/** The options of `sidegate quota reset` and `override`, checked. Everything throws UsageFault naming the option and what to write. */
import { subdomainPattern } from "../../api/object.ts";
import { kubeconfigOptions } from "../connection.ts";
import { parseMoment } from "../key/moment.ts";
import { namespaceOf } from "../namespace.ts";
import { parseOptions, UsageFault } from "../usage.ts";

/** Characters of a reason, and of a subject, as the annotations take them. */
const reasonCharsMax = 512;
const subjectCharsMax = 1024;

/** Which quota, and in which cluster. */
export interface QuotaPlace {
  readonly name: string;
  /** Undefined: the kubeconfig's, else default. */
  readonly namespace: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

/** `quota reset NAME`. */
export interface ResetOptions extends QuotaPlace {
  readonly limit: string | undefined;
  readonly subject: string | undefined;
  readonly reason: string;
}

/** `quota override NAME`; `clear`: overrides are taken away, of one limit or of all. */
export type OverrideOptions = QuotaPlace &
  (
    | { readonly clear: true; readonly limit: string | undefined }
    | {
        readonly clear: false;
        readonly limit: string;
        readonly to: string;
        readonly untilMs: number;
        readonly reason: string;
      }
  );

const common = {
  namespace: { type: "string", short: "n" },
  limit: { type: "string" },
  reason: { type: "string" },
  ...kubeconfigOptions,
} as const;

/** Of `quota reset`. */
export const resetOptions = (args: readonly string[]): ResetOptions => {
  const { values, positionals } = parseOptions({
    args: [...args],
    allowPositionals: true,
    options: { ...common, subject: { type: "string" } },
  });
  const { limit, subject } = values;
  if (subject !== undefined && (subject.length === 0 || subject.length > subjectCharsMax))
    throw new UsageFault("--subject: as `sidegate top` shows it, such as user=alice@example.com");
  return { ...placeOf("reset", values, positionals), limit, subject, reason: reasonOf(values.reason) };
};

/** Of `quota override`. */
export const overrideOptions = (args: readonly string[], nowMs: number): OverrideOptions => {
  const { values, positionals } = parseOptions({
    args: [...args],
    allowPositionals: true,
    options: {
      ...common,
      to: { type: "string" },
      until: { type: "string" },
      clear: { type: "boolean", default: false },
    },
  });
  const place = placeOf("override", values, positionals);
  const { limit, to, until, clear, reason } = values;
  if (clear) {
    if (to !== undefined || until !== undefined || reason !== undefined)
      throw new UsageFault("--clear takes an override away: --to, --until and --reason do not belong to it");
    return { ...place, clear, limit };
  }
  if (limit === undefined) throw new UsageFault("--limit: name the limit, as in spec.limits[].name");
  if (to === undefined) throw new UsageFault("--to: say how much is admitted meanwhile, such as --to 5000");
  if (!/^([0-9]{1,15}|[0-9]{1,7}\.[0-9]{1,9})$/.test(to))
    throw new UsageFault(`--to ${to}: must be a whole number, or for Cost a decimal such as 500.00`);
  if (until === undefined) throw new UsageFault("--until: say when it ends, such as --until 2h");
  const untilMs = parseMoment("--until", until, nowMs);
  if (untilMs <= nowMs) throw new UsageFault(`--until ${until}: is over already`);
  return { ...place, clear, limit, to, untilMs, reason: reasonOf(reason) };
};

const placeOf = (
  command: string,
  values: {
    readonly namespace?: string | undefined;
    readonly kubeconfig?: string | undefined;
    readonly context?: string | undefined;
  },
  positionals: readonly string[],
): QuotaPlace => {
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0)
    throw new UsageFault(`quota ${command}: name one AIQuota, such as quota ${command} NAME`);
  if (!new RegExp(subdomainPattern).test(name) || name.length > 253)
    throw new UsageFault(`quota ${command}: the name of an AIQuota is lower-case letters, digits, '-' and '.'`);
  const { namespace, kubeconfig, context } = values;
  return { name, namespace: namespace === undefined ? undefined : namespaceOf(namespace), kubeconfig, context };
};

const reasonOf = (text: string | undefined): string => {
  const reason = text?.trim() ?? "";
  if (reason.length > 0 && reason.length <= reasonCharsMax && !/\p{Cc}/u.test(reason)) return reason;
  throw new UsageFault(
    `--reason: say why in 1 to ${reasonCharsMax} characters, on one line; it stays on the quota for those who come after you`,
  );
};
