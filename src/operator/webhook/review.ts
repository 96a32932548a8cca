/** AdmissionReview v1 (admission.k8s.io): what the API server asks, and our answer. */
import * as z from "zod";
import { fieldPath } from "../../config/field-path.ts";

const reviewVersion = "admission.k8s.io/v1";
/** Characters of one warning; the API server may cut longer ones. */
export const warningLengthMax = 256;
/** Characters of all warnings of one answer: the API server drops what is beyond 4,096, and other webhooks want to be heard too. */
export const warningsLengthMax = 3_072;
/** Characters of a refusal's message. */
const messageLengthMax = 8_192;

const requestSchema = z.looseObject({
  uid: z.string().min(1).max(128),
  kind: z.looseObject({ group: z.string(), version: z.string(), kind: z.string() }),
  operation: z.enum(["CREATE", "UPDATE", "DELETE", "CONNECT"]),
  /** Absent for what is not namespaced. */
  namespace: z.string().max(253).default(""),
  /** Absent where the server makes the name (generateName). */
  name: z.string().max(253).default(""),
  subResource: z.string().max(253).default(""),
  dryRun: z.boolean().default(false),
  object: z.unknown().optional(),
  oldObject: z.unknown().optional(),
});

const reviewSchema = z.looseObject({
  apiVersion: z.literal(reviewVersion),
  kind: z.literal("AdmissionReview"),
  request: requestSchema,
});

/** One question of the API server. `object` and `oldObject` are untrusted. */
export type AdmissionRequest = z.output<typeof requestSchema>;

/** What a handler decides. `reason` is a code from a closed set: it becomes a metric's label. */
export type Decision =
  | { readonly kind: "allowed"; readonly reason: string; readonly warnings?: readonly string[] }
  | {
      readonly kind: "patched";
      readonly reason: string;
      /** JSON Patch (RFC 6902). */
      readonly patch: readonly object[];
      readonly warnings?: readonly string[];
    }
  | {
      readonly kind: "refused";
      readonly reason: string;
      readonly message: string;
      readonly warnings?: readonly string[];
      /** 422: the object must be changed. 500: we failed. */
      readonly status?: 422 | 500;
    };

/** A body that is no AdmissionReview. Its message names the field and holds no value. */
export class ReviewFault extends Error {
  override readonly name = "ReviewFault";
}

/** The question in a body. Throws ReviewFault. */
export const parseReview = (body: Buffer): AdmissionRequest => {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    throw new ReviewFault(`the body (${body.length} bytes) is not JSON; send an AdmissionReview of ${reviewVersion}`);
  }
  const result = reviewSchema.safeParse(value);
  if (result.success) return result.data.request;
  const faults = result.error.issues.map(({ path, message }) => `${fieldPath(path) || "the body"}: ${message}`);
  throw new ReviewFault(`not an AdmissionReview of ${reviewVersion}: ${faults.join("; ")}`);
};

/** The answer to a question, as the API server reads it. */
export const reviewAnswer = (uid: string, decision: Decision): object => {
  const warnings = boundedWarnings(decision.warnings ?? []);
  return {
    apiVersion: reviewVersion,
    kind: "AdmissionReview",
    response: {
      uid,
      allowed: decision.kind !== "refused",
      ...(warnings.length > 0 && { warnings }),
      ...(decision.kind === "patched" && {
        patchType: "JSONPatch",
        patch: Buffer.from(JSON.stringify(decision.patch), "utf8").toString("base64"),
      }),
      ...(decision.kind === "refused" && { status: statusOf(decision) }),
    },
  };
};

const statusOf = ({ status = 422, message }: Extract<Decision, { kind: "refused" }>): object => ({
  code: status,
  reason: status === 422 ? "Invalid" : "InternalError",
  message: cut(message, messageLengthMax),
});

/** Warnings as a client can take them: each once, on one line, cut; where there are too many, the last says how many are missing. */
export const boundedWarnings = (warnings: readonly string[]): readonly string[] => {
  const lines = [...new Set(warnings.map((warning) => cut(oneLine(warning), warningLengthMax)))];
  const kept: string[] = [];
  let left = warningsLengthMax;
  for (const line of lines) {
    // The last line, "and N more", needs its place too.
    if (left - line.length < 40 && kept.length < lines.length - 1) break;
    if (line.length > left) break;
    kept.push(line);
    left -= line.length;
  }
  return kept.length === lines.length ? kept : [...kept, `and ${lines.length - kept.length} more`];
};

const cut = (text: string, lengthMax: number): string =>
  text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 3)}...`;

/** A warning travels in a header. */
const oneLine = (text: string): string => text.replace(/[\p{Cc}\p{Cs}]+/gu, " ").trim();
