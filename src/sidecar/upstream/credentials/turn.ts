/** The credentials that one call has tried at one target, and which comes next. */
import type { Credential, HeaderPairs } from "./credential.ts";
import type { CredentialPool } from "./pool.ts";

/** A call's way through a pool: each credential once, but a token once more when it was renewed. */
export class CredentialTurn {
  readonly #pool: CredentialPool;
  readonly #canRepeat: boolean;
  readonly #rests: (credential: string, status: number) => void;
  readonly #tried: Credential[] = [];
  #current: Credential | undefined;
  #next: Credential | undefined;
  /** The current one was renewed for this call already. */
  #isRenewed = false;
  #isOut = false;
  /** Refusals of all credentials before the current one was sent. */
  #refusals = 0;

  /** `canRepeat`: the request can be sent again. `rests`: told of each credential that was refused or slowed down. */
  constructor(options: {
    pool: CredentialPool;
    canRepeat: boolean;
    rests: (credential: string, status: number) => void;
  }) {
    this.#pool = options.pool;
    this.#canRepeat = options.canRepeat;
    this.#rests = options.rests;
  }

  /** The provider slowed down or refused the last one that did not rest. */
  get isOut(): boolean {
    return this.#isOut;
  }

  /** The one to begin with; undefined: none may be chosen. */
  first(): Credential | undefined {
    this.#current = this.#pool.first();
    this.#refusals = this.#pool.refusals;
    return this.#current;
  }

  /** What `refused` or `pass` has found. */
  next(): Credential | undefined {
    if (this.#next !== this.#current) this.#isRenewed = false;
    this.#current = this.#next;
    this.#next = undefined;
    this.#refusals = this.#pool.refusals;
    return this.#current;
  }

  /** The current one has nothing to send: better ask one that rests than none. */
  pass(): void {
    if (this.#current) this.#tried.push(this.#current);
    this.#next = this.#pool.another(this.#tried) ?? this.#pool.soonest(this.#tried);
  }

  /** The provider answered with this status, and it was passed on. */
  answered(status: number): void {
    if (this.#current && status >= 200 && status < 400) this.#pool.worked(this.#current, this.#refusals);
  }

  /** The provider answered 401 or 429 to `used`. True: `next` has something to try. */
  refused(used: HeaderPairs, status: number, waitMs: number | undefined): boolean {
    const current = this.#current;
    if (!current) return false;
    if (status === 401 && !this.#isRenewed && this.#canRepeat && current.refused(used)) {
      this.#isRenewed = true;
      this.#next = current;
      return true;
    }
    this.#pool.rest(current, status, waitMs);
    this.#rests(current.name, status);
    this.#tried.push(current);
    this.#next = this.#canRepeat ? this.#pool.another(this.#tried) : undefined;
    this.#isOut = this.#next === undefined;
    return this.#next !== undefined;
  }
}
