import type { Behaviour } from "./knobs.ts";

/** What the model says: the pieces joined are the text. */
export interface Answer {
  readonly text: string;
  /** Content events of a stream, in order. */
  readonly pieces: readonly string[];
  /** Output tokens: one per word written; a quarter of the bytes where there are no words. */
  readonly tokens: number;
  /** Whether the token limit cut it. */
  readonly isCut: boolean;
}

const wordCountDefault = 8;
const vocabulary = (
  "amber river quiet stone early light window paper garden silver morning copper letter harbor winter meadow " +
  "candle bridge forest narrow orange velvet summer pocket marble thunder basket kitchen ribbon planet shadow whisper"
).split(" ");

/** Small, fast, repeatable random numbers in [0, 1) (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Tokens of an input text: a quarter of its length in UTF-16 units, rounded up. */
export const inputTokensOf = (characters: number): number => Math.ceil(characters / 4);

const madeUpWords = (count: number, seed: number): string[] => {
  const random = randomFrom(seed);
  const words: string[] = new Array(count);
  for (let i = 0; i < count; i += 1) {
    words[i] = (i === 0 ? "" : " ") + vocabulary[Math.floor(random() * vocabulary.length)];
  }
  return words;
};

/** Splits a text into at most `count` parts of about the same length, never inside a character. */
export function fragmentsOf(text: string, count: number): string[] {
  const size = Math.max(1, Math.ceil(text.length / Math.max(1, count)));
  const parts: string[] = [];
  for (let from = 0; from < text.length; ) {
    let to = Math.min(text.length, from + size);
    const last = text.charCodeAt(to - 1);
    if (last >= 0xd800 && last < 0xdc00) to += 1;
    parts.push(text.slice(from, to));
    from = to;
  }
  return parts;
}

const wordsOf = (text: string): string[] => text.match(/\s*\S+|\s+$/gu) ?? [];

const regrouped = (words: readonly string[], count: number): readonly string[] => {
  if (count === 0) return [words.join("")];
  if (words.length < count) return fragmentsOf(words.join(""), count);
  const groups: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const from = Math.floor((i * words.length) / count);
    groups.push(words.slice(from, Math.floor(((i + 1) * words.length) / count)).join(""));
  }
  return groups;
};

/**
 * Makes the answer to one request. `fixed` is what must be said (structured output) unless the behaviour says
 * otherwise; `tokensMax` cuts it, absent is no limit; `seed` decides the made-up words.
 */
export function composeAnswer(
  behaviour: Behaviour,
  options: { seed: number; tokensMax?: number | undefined; fixed?: string | undefined },
): Answer {
  if (behaviour.big !== undefined) {
    const text = "a".repeat(behaviour.big);
    return { text, pieces: [text], tokens: Math.ceil(behaviour.big / 4), isCut: false };
  }
  const { fixed } = options;
  let words: readonly string[];
  if (behaviour.answer !== undefined) words = wordsOf(behaviour.answer);
  else if (fixed !== undefined) words = fragmentsOf(fixed, Math.ceil(fixed.length / 4));
  else words = madeUpWords(behaviour.tokens ?? behaviour.chunks ?? wordCountDefault, options.seed);
  const isCut = options.tokensMax !== undefined && words.length > options.tokensMax;
  if (isCut) words = words.slice(0, options.tokensMax);
  const pieces = behaviour.chunks === undefined ? words : regrouped(words, behaviour.chunks);
  return { text: words.join(""), pieces, tokens: words.length, isCut };
}
