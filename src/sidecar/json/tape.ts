/**
 * The tape: what a scan found, in document order, four 32-bit words an entry. An entry is known by the index of its first word.
 *
 *   +0  kind, and above `detailShift` a detail: members of an object, items of a list, 1 for a string or key with escapes
 *   +1  byte offset of the token's first byte (for strings and keys the opening quote)
 *   +2  byte offset behind the token
 *   +3  index of the entry behind this one and all that it contains: the next sibling, if there is one
 *
 * A key is an entry of its own, and its value is the entry right behind it. While a container is open during the scan, +2 is 0 and
 * +3 holds the index of the container around it (-1 at the top): the tape is its own stack, so depth costs no memory beside it.
 */
export type Tape = Int32Array;

/** Words an entry takes. */
export const entryWords = 4;
/** Bits below the detail in an entry's first word. */
export const detailShift = 4;

/** `{...}` */
export const kindObject = 0;
/** `[...]` */
export const kindArray = 1;
/** A string that is a value. */
export const kindString = 2;
/** A number. */
export const kindNumber = 3;
/** `true` */
export const kindTrue = 4;
/** `false` */
export const kindFalse = 5;
/** `null` */
export const kindNull = 6;
/** A member's key; its value follows. */
export const kindKey = 7;

// Each index comes from the tape itself, so the word is always there: hence `as number`.
/** One of the kinds above. */
export const kindAt = (tape: Tape, at: number): number => (tape[at] as number) & 15;
/** Members, items, or 1 for escapes. */
export const detailAt = (tape: Tape, at: number): number => (tape[at] as number) >>> detailShift;
/** Byte offset of the token's first byte. */
export const startAt = (tape: Tape, at: number): number => tape[at + 1] as number;
/** Byte offset behind the token. */
export const endAt = (tape: Tape, at: number): number => tape[at + 2] as number;
/** Index of the next sibling, or where it would be. */
export const nextAt = (tape: Tape, at: number): number => tape[at + 3] as number;
