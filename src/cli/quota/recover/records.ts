/** What audit records tell of charges (src/sidecar/stages/record.ts). What is no record, or a broken one, never stops anything. */
import { clusterNamespace, prefixOf } from "../../../redis/keys.ts";
import { listAt, memberAt, textAt } from "../../check/members.ts";
import { jsonOf } from "../simulate/lines.ts";

/** A counter that a call was held on: its key in Redis, the units, and how long its window still ran, ms (Sliding: nothing that is of use). */
export interface HeldOn {
  readonly key: string;
  readonly held: number;
  readonly resetMs: number;
  /** It is neither of the record's own namespace nor over namespaces: no sidecar has written this. */
  readonly isForeign: boolean;
}

/** A call that was admitted, or how one ended. */
export interface ChargeRecord {
  readonly kind: "intent" | "outcome";
  readonly timeMs: number;
  readonly id: string;
  /** The sidecar process that wrote it. */
  readonly instance: string;
  readonly namespace: string;
  readonly pod: string | undefined;
  /** Who decided: Redis, or the sidecar's own share. Intents alone tell. */
  readonly quota: "enforced" | "local_share" | "other";
  /** Of an outcome: where no intent told them, or others were held meanwhile. Undefined: not told. */
  readonly counters: readonly HeldOn[] | undefined;
  /** Of an outcome: units, in the order of the counters; empty: given back. Undefined: not told. */
  readonly charged: readonly number[] | undefined;
}

/** A record; `other`: a line of something else; or what is wrong with it. */
export type ParsedCharge = ChargeRecord | { readonly kind: "other" } | { readonly kind: "bad"; readonly why: string };

/** As many claims as a request may have, and the longest key of a counter. */
const countersMax = 64;
const keyCharsMax = 640;
const idForm = /^[A-Za-z0-9._:-]{1,128}$/;
const namespaceForm = /^([a-z0-9-]{1,63})\//;

const isUnits = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/** Reads one line. Never throws. */
export const parseCharge = (line: string): ParsedCharge => {
  const read = jsonOf(line);
  if (read.kind !== "json") return read;
  const kind = textAt(read.value, "record");
  return kind === "intent" || kind === "outcome" ? recordOf(kind, read.value) : { kind: "other" };
};

const recordOf = (kind: ChargeRecord["kind"], value: unknown): ParsedCharge => {
  const timeMs = Date.parse(textAt(value, "time"));
  if (!(timeMs >= 0)) return { kind: "bad", why: "time is no time" };
  const id = textAt(value, "id");
  if (!idForm.test(id)) return { kind: "bad", why: "id is none" };
  const namespace = namespaceForm.exec(textAt(value, "identity"))?.[1] ?? "";
  const counters = countersOf(memberAt(value, "counters"), namespace);
  if (counters === "bad") return { kind: "bad", why: "counters are none" };
  if (new Set(counters?.map(({ key }) => key)).size !== (counters?.length ?? 0))
    return { kind: "bad", why: "names a counter twice" };
  const charged = chargedOf(memberAt(value, "charged"));
  if (charged === "bad") return { kind: "bad", why: "charged holds no amounts" };
  const word = textAt(value, "quota");
  const pod = textAt(value, "pod");
  return {
    ...{ kind, timeMs, id, namespace, counters, charged },
    instance: textAt(value, "instance"),
    pod: pod === "" ? undefined : pod,
    quota: word === "enforced" || word === "local_share" ? word : "other",
  };
};

const countersOf = (value: unknown, namespace: string): readonly HeldOn[] | undefined | "bad" => {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length > countersMax) return "bad";
  const counters: HeldOn[] = [];
  for (const each of value) {
    const [key, held, resetMs] = listAt(each);
    if (typeof key !== "string" || key.length > keyCharsMax || !isUnits(held) || !isUnits(resetMs)) return "bad";
    const isForeign = ![namespace, clusterNamespace].some((each) => key.startsWith(prefixOf(each)));
    counters.push({ key, held, resetMs, isForeign });
  }
  return counters;
};

const chargedOf = (value: unknown): readonly number[] | undefined | "bad" => {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length > countersMax || !value.every(isUnits)) return "bad";
  return value;
};
