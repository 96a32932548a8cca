/** Which clients may call by what they say they are: patterns in which `*` stands for any text. */

/** Longest `user-agent` that is compared, in characters; a longer one fits no pattern. */
export const userAgentCharsMax = 1_024;

/** The test of a `user-agent` against patterns, case-sensitive. No pattern: any fits. A request without one has "". */
export function userAgentTest(patterns: readonly string[]): (userAgent: string | undefined) => boolean {
  if (patterns.length === 0) return () => true;
  const tests = patterns.map(wildcardTest);
  return (userAgent = "") => userAgent.length <= userAgentCharsMax && tests.some((fits) => fits(userAgent));
}

/** The pieces between the stars are looked for from left to right, each once: the first place of a piece is as good as any later one. */
function wildcardTest(pattern: string): (text: string) => boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return (text) => text === pattern;
  return (text) => {
    if (!text.startsWith(first)) return false;
    let at = first.length;
    for (const piece of rest) {
      const found = text.indexOf(piece, at);
      if (found < 0) return false;
      at = found + piece.length;
    }
    return text.length - last.length >= at && text.endsWith(last);
  };
}
