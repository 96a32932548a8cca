/** A place that breaks a rule of the style page. */
export interface Offence {
  readonly line: number;
  readonly text: string;
}

/** A rule for one file at a time. `applies` gets the path, `offences` the text. */
export interface Rule {
  /** A sentence that holds when nothing offends. */
  readonly name: string;
  applies(path: string): boolean;
  offences(text: string, path: string): Offence[];
}

/** Offences found by a pattern, line by line; `text` says what is wrong. */
export const matchLines = (source: string, pattern: RegExp, text: (match: string) => string): Offence[] =>
  source.split("\n").flatMap((line, index) => {
    const match = pattern.exec(line);
    return match ? [{ line: index + 1, text: text(match[0]) }] : [];
  });
