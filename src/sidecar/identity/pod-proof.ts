/**
 * Whether this pod is who it says it is: its own projected token, verified at the start, at each rotation of the file, at each new
 * config, and again when the token's time is over. Never for a request: those read one field.
 */
import { dirname } from "node:path";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { PodIdentityConfig } from "../../config/pod-identity.ts";
import { watchPath } from "../file-watch.ts";
import { type IdentityReason, identityReasons } from "./reasons.ts";
import type { Refused } from "./token.ts";
import { type MountedToken, readTokenFile } from "./token-file.ts";
import { type TokenVerdict, verifyToken } from "./verify.ts";

/** How long an identity that was verified is kept while the token is signed with a key that the config does not hold, ms. */
export const unknownKeyKeptMs = 24 * 3_600_000;

/** What it works with. */
export interface PodProofOptions {
  /** Absent: no token is mounted (files on one machine, tests). */
  readonly token: MountedToken | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of each look that did not verify the token. */
  readonly failed: (reason: IdentityReason) => void;
  /** The verdict has turned: whoever reports it should do so now. */
  readonly turned: () => void;
}

/**
 * `unproven`: neither is a token mounted nor does the config want one. `held`: the last verified identity is kept, although the
 * token's key is unknown. Everything is refused only while `refused`.
 */
export type Standing =
  | { readonly kind: "unproven" }
  | { readonly kind: "verified" }
  | { readonly kind: "held" | "refused"; readonly reason: IdentityReason };

/** The proof of one pod. It lives as long as the process. */
export class PodProof {
  readonly #options: PodProofOptions;
  #identity: PodIdentityConfig | undefined;
  #standing: Standing = { kind: "refused", reason: "not_verified_yet" };
  #sinceMs: number;
  /** Monotonic; undefined: never. */
  #lastVerifiedMs: number | undefined;
  /** Wall clock: when the verdict may turn without anything new. */
  #nextLookMs = Number.POSITIVE_INFINITY;
  #seen: Uint8Array | Refused | undefined;
  #isAskedAgain = false;
  #underWay: Promise<void> | undefined;
  #unwatch: (() => void) | undefined;

  constructor(options: PodProofOptions) {
    this.#options = options;
    this.#sinceMs = options.clock.nowMs();
  }

  /** Why everything is refused; undefined: requests may pass. */
  get refusal(): IdentityReason | undefined {
    return this.#standing.kind === "refused" ? this.#standing.reason : undefined;
  }

  /** How it stands now. */
  get standing(): Standing {
    return this.#standing;
  }

  /** What a config says of identity is in force from now on; resolves when the token was judged by it. Never rejects. */
  follow(identity: PodIdentityConfig | undefined): Promise<void> {
    this.#identity = identity;
    const { token } = this.#options;
    if (token && identity) return this.#judge();
    this.#nextLookMs = Number.POSITIVE_INFINITY;
    if (token) this.#refuse("identity_not_configured");
    else if (identity) this.#refuse("token_not_mounted");
    else this.#stand({ kind: "unproven" });
    return Promise.resolve();
  }

  /** Follows the file until `stop`. */
  start(): void {
    const { token } = this.#options;
    // The directory: the kubelet swaps it, and a watch on the file would stay with the old one.
    if (token) this.#unwatch ??= watchPath(dirname(token.file), () => void this.look());
  }

  /** Looks no more; the verdict stays. */
  stop(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  /** Judges the token again if the file is another one, or the time has come. Never rejects. */
  async look(): Promise<void> {
    const { token, clock } = this.#options;
    if (!token || !this.#identity) return;
    const isOver = clock.nowMs() >= this.#nextLookMs || (this.#standing.kind === "held" && !this.#mayHold());
    if (isOver || !isSame(this.#seen, readTokenFile(token.file))) await this.#judge();
  }

  /** For /status: no part of a token. */
  status(): object {
    const standing = this.#standing;
    const isNamed = standing.kind === "held" || standing.kind === "refused";
    return {
      standing: standing.kind,
      reason: isNamed ? standing.reason : null,
      meaning: isNamed ? identityReasons[standing.reason] : null,
      since: new Date(this.#sinceMs).toISOString(),
      nextLookAt: Number.isFinite(this.#nextLookMs) ? new Date(this.#nextLookMs).toISOString() : null,
    };
  }

  /** One judgement at a time; what changes meanwhile is judged in the next. */
  #judge(): Promise<void> {
    this.#isAskedAgain = true;
    this.#underWay ??= this.#judgeUntilDone().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #judgeUntilDone(): Promise<void> {
    while (this.#isAskedAgain) {
      this.#isAskedAgain = false;
      const { token, clock } = this.#options;
      const identity = this.#identity;
      if (!token || !identity) return;
      const read = readTokenFile(token.file);
      this.#seen = read;
      const nowMs = clock.nowMs();
      const verdict: TokenVerdict =
        "reason" in read ? { kind: "refused", ...read } : await verifyToken(read, { identity, pod: token.pod, nowMs });
      // A config that came meanwhile has the last word.
      if (identity === this.#identity) this.#apply(verdict);
    }
  }

  #apply(verdict: TokenVerdict): void {
    if (verdict.kind === "verified") {
      this.#lastVerifiedMs = this.#options.clock.monotonicMs();
      this.#nextLookMs = verdict.endsMs;
      this.#stand({ kind: "verified" });
      return;
    }
    if (verdict.reason === "key_unknown" && verdict.endsMs !== undefined && this.#mayHold()) {
      this.#nextLookMs = verdict.endsMs;
      this.#options.failed(verdict.reason);
      this.#stand({ kind: "held", reason: verdict.reason });
      return;
    }
    this.#nextLookMs = verdict.fromMs ?? Number.POSITIVE_INFINITY;
    this.#refuse(verdict.reason);
  }

  /** Whether an unknown key is excused: something was verified, and not too long ago. */
  #mayHold(): boolean {
    const verifiedMs = this.#lastVerifiedMs;
    return verifiedMs !== undefined && this.#options.clock.monotonicMs() - verifiedMs < unknownKeyKeptMs;
  }

  #refuse(reason: IdentityReason): void {
    this.#options.failed(reason);
    this.#stand({ kind: "refused", reason });
  }

  #stand(standing: Standing): void {
    const before = this.#standing;
    this.#standing = standing;
    if (before.kind === standing.kind && reasonOf(before) === reasonOf(standing)) return;
    const { log, clock, turned } = this.#options;
    this.#sinceMs = clock.nowMs();
    const reason = reasonOf(standing);
    const why = reason && { reason, meaning: identityReasons[reason] };
    if (standing.kind === "refused") log.error(why ?? {}, "identity refused: every request gets 403");
    else if (standing.kind === "held")
      log.warn(why ?? {}, "the token's key is unknown: the identity that was verified is kept for a time");
    else if (standing.kind === "verified") log.info("identity verified");
    turned();
  }
}

const reasonOf = (standing: Standing): IdentityReason | undefined =>
  standing.kind === "held" || standing.kind === "refused" ? standing.reason : undefined;

const isSame = (a: Uint8Array | Refused | undefined, b: Uint8Array | Refused): boolean => {
  if (a === undefined) return false;
  if ("reason" in a || "reason" in b) return "reason" in a && "reason" in b && a.reason === b.reason;
  return Buffer.compare(a, b) === 0;
};
