/**
 * Words of a command as Redis' protocol has them (RESP, bulk strings), put together as one text. A list of forty strings, counted and framed
 * one by one, costs more than all else that a command needs.
 */
export interface Words {
  readonly count: number;
  readonly text: string;
}

/** One word. ASCII only: its length stands before it, in bytes. */
export const wordOf = (text: string): string => `$${text.length}\r\n${text}\r\n`;

/** One word of any characters. */
export const wordOfText = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;

/** Words in their order. ASCII only. */
export const wordsOf = (texts: readonly string[]): Words => ({ count: texts.length, text: texts.map(wordOf).join("") });

/** Numbers below it have their words at hand: amounts are small mostly. */
const numbersKept = 1_024;
const known: readonly string[] = Array.from({ length: numbersKept }, (_, value) => wordOf(String(value)));

/** A number; the most frequent ones are at hand. */
export const numberWord = (value: number): string => known[value] ?? wordOf(String(value));
