/** A terminal that is drawn over and over: nothing is erased before it is written, so it does not flicker. */
import { cropped } from "../terminal-text.ts";

/** The terminal, as `process.stdout` has it. */
export interface Terminal {
  write(text: string): unknown;
  readonly columns?: number;
  readonly rows?: number;
}

const sequence = "\u001b[";
/** Another screen, so that what stood there comes back; no cursor. */
const enter = `${sequence}?1049h${sequence}?25l`;
const leave = `${sequence}?25h${sequence}?1049l`;
/** What is between them appears at once, where the terminal knows it; others pass it over. */
const [hold, show] = [`${sequence}?2026h`, `${sequence}?2026l`];
const home = `${sequence}H`;
const eraseLineEnd = `${sequence}K`;
const eraseBelow = `${sequence}J`;
const [bold, plain] = [`${sequence}1m`, `${sequence}0m`];

const columnsDefault = 80;
const rowsDefault = 24;

/** Draws frames of lines on the whole terminal. Lines are safe texts; what does not fit is cut, and said. */
export class Screen {
  readonly #terminal: Terminal;
  #isOpen = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Draws a frame; `boldLine`: index of the line with the titles. */
  draw(lines: readonly string[], boldLine: number): void {
    const columns = this.#terminal.columns || columnsDefault; // 0: it does not know
    const rows = this.#terminal.rows || rowsDefault;
    const shown = fitting(lines, rows).map((line, index) => {
      const text = cropped(line, columns - 1); // in the last column erasing would take the character before the cursor
      return `${index === boldLine ? `${bold}${text}${plain}` : text}${eraseLineEnd}`;
    });
    // One write. The last line ends without a break, so the terminal does not scroll.
    this.#terminal.write(`${this.#isOpen ? "" : enter}${hold}${home}${shown.join("\r\n")}${eraseBelow}${show}`);
    this.#isOpen = true;
  }

  /** Gives the terminal back as it was. */
  close(): void {
    if (this.#isOpen) this.#terminal.write(leave);
    this.#isOpen = false;
  }
}

const fitting = (lines: readonly string[], rows: number): readonly string[] => {
  if (lines.length <= rows) return lines;
  const kept = Math.max(0, rows - 1);
  return [...lines.slice(0, kept), `and ${lines.length - kept} more lines`];
};
