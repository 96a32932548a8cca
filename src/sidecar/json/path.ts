/** Where in a text a scan stands, for the message of a fault. */
import { detailAt, endAt, entryWords, kindAt, kindKey, kindObject, nextAt, startAt, type Tape } from "./tape.ts";

/** Characters of a key that a path shows. */
const keyCharsMax = 32;
/** Characters of a path; longer ones lose their middle. */
const pathCharsMax = 256;

/**
 * The path to the value that comes next on an unfinished tape: `open` is the innermost open container (-1 for none), `top` the index behind
 * the last entry. Keys are shown as they are written, shortened to 32 characters.
 */
export function pathAt(bytes: Buffer, tape: Tape, place: { open: number; top: number }): string {
  const steps: string[] = [];
  let inner = place.top;
  for (let open = place.open; open >= 0; open = nextAt(tape, open)) {
    if (kindAt(tape, open) === kindObject) {
      const key = inner - entryWords;
      if (kindAt(tape, key) === kindKey) steps.push(keyStep(bytes, tape, key));
    } else {
      // an item that is still open has been counted already
      steps.push(`[${inner === place.top ? detailAt(tape, open) : detailAt(tape, open) - 1}]`);
    }
    inner = open;
  }
  const path = steps.reverse().join("").replace(/^\./, "");
  return path.length <= pathCharsMax ? path : `${path.slice(0, pathCharsMax / 2)}...${path.slice(-pathCharsMax / 2)}`;
}

/** A key as a step of a path: `.name`, or quoted where it is not a plain word. */
function keyStep(bytes: Buffer, tape: Tape, key: number): string {
  // four bytes are the most that a character takes
  const text = bytes.toString(
    "utf8",
    startAt(tape, key) + 1,
    Math.min(endAt(tape, key) - 1, startAt(tape, key) + 1 + 4 * keyCharsMax),
  );
  const characters = [...text];
  const shown = characters.length > keyCharsMax ? `${characters.slice(0, keyCharsMax).join("")}...` : text;
  return /^[A-Za-z_][A-Za-z0-9_]{0,31}$/.test(shown) ? `.${shown}` : `["${shown}"]`;
}
