/** Header fields in the order in which they are sent; a name may come more than once. */
export type HeaderList = readonly (readonly [string, string])[];

/** Headers of ours that every answer of one exchange carries. Those that tell of limits are written when the head is, and not before. */
export class AnswerHeaders {
  /** Names and values in turn, but for those of the limits. */
  readonly #flat: string[] = [];
  #limits: (() => readonly string[]) | undefined;
  /** Where those come. */
  #limitsAt = 0;

  add(name: string, value: string): void {
    this.#flat.push(name, value);
  }

  /** Puts it last, in place of the one of its name. */
  replace(name: string, value: string): void {
    const at = indexOfName(this.#flat, name);
    if (at >= 0) this.#flat.splice(at, 2);
    if (at >= 0 && at < this.#limitsAt) this.#limitsAt -= 2;
    this.#flat.push(name, value);
  }

  /** Puts what tells of the limits last, names and values in turn, in place of what was to be told of them; undefined: nothing is. */
  tellLimits(limits: (() => readonly string[]) | undefined): void {
    this.#limits = limits;
    this.#limitsAt = this.#flat.length;
  }

  /** Not whether the limits have one. */
  has(name: string): boolean {
    return indexOfName(this.#flat, name) >= 0;
  }

  /**
   * Names and values in turn, as they stand now, after the provider's. Of these, its own limits are left out that ours tell of: a client
   * reads one.
   */
  flatAfter(theirs: HeaderList): string[] {
    const flat: string[] = [];
    const limits = this.#limits?.() ?? [];
    for (const [name, value] of theirs)
      if (!name.startsWith(limitsPrefix) || indexOfName(limits, name) < 0) flat.push(name, value);
    for (let at = 0; at < this.#flat.length; at++) {
      if (at === this.#limitsAt) pushAll(flat, limits);
      flat.push(this.#flat[at] as string); // within its length
    }
    if (this.#limitsAt === this.#flat.length) pushAll(flat, limits);
    return flat;
  }
}

const limitsPrefix = "x-ratelimit-";

const pushAll = (flat: string[], more: readonly string[]): void => {
  for (const text of more) flat.push(text);
};

/** Where in names and values in turn the header of that name is; -1: nowhere. */
const indexOfName = (flat: readonly string[], name: string): number => {
  for (let at = 0; at < flat.length; at += 2) if (flat[at] === name) return at;
  return -1;
};
