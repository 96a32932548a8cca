import type { Frame } from "./frame.ts";
import type { Behaviour } from "./knobs.ts";

/** The byte order mark in UTF-8. */
export const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

const plainFrame = (frame: Frame): string =>
  frame.event === undefined ? `data: ${frame.data}\n\n` : `event: ${frame.event}\ndata: ${frame.data}\n\n`;

const dataLinesOf = (data: string, behaviour: Behaviour): string[] => {
  if (behaviour.multidata !== true || !data.startsWith("{")) return [data];
  const value: unknown = JSON.parse(data);
  return JSON.stringify(value, null, 1).split("\n");
};

/** Puts one byte into the middle of the text. */
export const withByte = (text: string, byte: number): Buffer => {
  const bytes = Buffer.from(text);
  const middle = Math.floor(bytes.length / 2);
  return Buffer.concat([bytes.subarray(0, middle), Buffer.from([byte]), bytes.subarray(middle)]);
};

/** Whether the behaviour changes how frames look; without it a frame is rendered the short way. */
const isOdd = (b: Behaviour): boolean =>
  b.crlf ||
  b.cr ||
  b.nospace ||
  b.comment ||
  b.ids ||
  b.multidata ||
  b.emptydata ||
  b.badutf8 ||
  b.badjson ||
  b.nul ||
  b.noblank ||
  false;

const oddFrame = (frame: Frame, index: number, behaviour: Behaviour): string | Buffer => {
  const lineEnd = behaviour.crlf ? "\r\n" : behaviour.cr ? "\r" : "\n";
  const prefix = behaviour.nospace ? "data:" : "data: ";
  const isSecond = index === 1;
  const lines: string[] = [];
  if (behaviour.emptydata && isSecond) lines.push("data:", "");
  if (behaviour.comment) lines.push(": ping", "");
  if (behaviour.ids) lines.push(`id: ${index}`, "retry: 3000");
  if (frame.event !== undefined) lines.push(`event: ${frame.event}`);
  const data = behaviour.badjson && isSecond ? frame.data.slice(0, Math.floor(frame.data.length / 2)) : frame.data;
  for (const line of dataLinesOf(data, behaviour)) lines.push(prefix + line);
  const text = `${lines.join(lineEnd)}${lineEnd}${lineEnd}`;
  if (isSecond && behaviour.badutf8) return withByte(text, 0xff);
  if (isSecond && behaviour.nul) return withByte(text, 0);
  return text;
};

/** Renders events as they go over the wire; `noblank` is the sender's, who knows which is the last. */
export function frameRenderer(behaviour: Behaviour): (frame: Frame, index: number) => string | Buffer {
  return isOdd(behaviour) ? (frame, index) => oddFrame(frame, index, behaviour) : plainFrame;
}

/** Takes one line end off the last event, so that its closing blank line is missing. */
export function withoutBlankLine(rendered: string | Buffer, behaviour: Behaviour): Buffer {
  const bytes = Buffer.from(rendered);
  return bytes.subarray(0, bytes.length - (behaviour.crlf ? 2 : 1));
}
