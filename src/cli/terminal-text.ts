/** Text from elsewhere on a terminal: it cannot move the cursor, and columns stand below each other. */

/** Control, format (bidirectional ones too), unassigned and private characters, and separators of lines. */
const unsafe = /[\p{C}\p{Zl}\p{Zp}]/gu;
/** Takes no column: combining marks. */
const zeroWidth = /^\p{M}$/u;
/** Takes two columns, roughly by UAX 11: scripts of East Asia, and pictures. */
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u;

/** The text with what a terminal could obey written out, as `\u{1b}`. */
export const safeText = (text: string): string =>
  text.replaceAll(unsafe, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);

const widthOfCharacter = (character: string): number => (zeroWidth.test(character) ? 0 : wide.test(character) ? 2 : 1);

/** Columns that a safe text takes. */
export const widthOf = (text: string): number => {
  let width = 0;
  for (const character of text) width += widthOfCharacter(character);
  return width;
};

/** As much of a safe text as fits; what is cut ends in `…`. */
export const cropped = (text: string, columns: number): string => {
  if (widthOf(text) <= columns) return text;
  let kept = "";
  let width = 0;
  for (const character of text) {
    width += widthOfCharacter(character);
    if (width > columns - 1) break;
    kept += character;
  }
  return columns < 1 ? "" : `${kept}…`;
};

/** Columns two blanks apart, each as wide as its widest cell; `isRight` tells which are flush right. No line ends in blanks. */
export const columnsText = (
  rows: readonly (readonly string[])[],
  isRight: (column: number) => boolean = () => false,
): readonly string[] => {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, widthOf(cell));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const padding = " ".repeat((widths[column] ?? 0) - widthOf(cell));
        return isRight(column) ? padding + cell : cell + padding;
      })
      .join("  ")
      .trimEnd(),
  );
};
