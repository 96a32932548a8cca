import type { Call, JsonReply, Reply, StreamReply } from "./call.ts";
import { byteOrderMark, frameRenderer, withByte, withoutBlankLine } from "./event-stream.ts";
import { htmlPage } from "./failures.ts";
import { isObject } from "./json-values.ts";
import type { Behaviour } from "./knobs.ts";
import { providerHeaders } from "./provider-headers.ts";
import type { Wire } from "./wire.ts";

type Piece = string | Buffer;

/** A plain body is cut into this many pieces where its delivery is paced or broken. */
const plainPieces = 8;
const eventStreamType = "text/event-stream; charset=utf-8";

/** Sends a reply. Without knobs it takes the short way, which is one write for a plain body. */
export async function deliver(call: Call, reply: Reply, wire: Wire): Promise<void> {
  const { behaviour } = call;
  const headers = { ...providerHeaders(call), ...reply.headers }; // before any wait, so that ids follow the order of requests
  if (behaviour.hang === "headers") return wire.untilGone();
  if (behaviour.reset === 0) return wire.reset();
  if (behaviour.delay !== undefined && !(await wire.sleep(behaviour.delay))) return;
  const whole = wholeBody(reply, behaviour);
  if (whole === undefined && reply.kind === "stream") return deliverStream(reply, { behaviour, headers, wire });
  if (whole !== undefined) return deliverBody(whole, { behaviour, headers, wire });
}

interface Sending {
  readonly behaviour: Behaviour;
  readonly headers: Record<string, string>;
  readonly wire: Wire;
}

interface WholeBody {
  readonly status: number;
  readonly type: string;
  readonly bytes: Piece;
  readonly isChunked?: boolean | undefined;
}

const serialised = (reply: JsonReply, behaviour: Behaviour): string => {
  const text = JSON.stringify(reply.body);
  if (behaviour.usage !== "twice" || !isObject(reply.body) || reply.body.usage === undefined) return text;
  return `${text.slice(0, -1)},"usage":${JSON.stringify(reply.body.usage)}}`;
};

const trueBody = (reply: Reply, behaviour: Behaviour): WholeBody => {
  if (reply.kind === "bytes") {
    return { status: reply.status, type: reply.contentType, bytes: reply.bytes, isChunked: reply.isChunked };
  }
  if (reply.kind === "json") {
    return { status: reply.status, type: "application/json", bytes: serialised(reply, behaviour) };
  }
  const render = frameRenderer(behaviour);
  return { status: 200, type: eventStreamType, bytes: Array.from(reply.frames, render).join("") };
};

/** The body when it goes out whole; absent for a stream that is sent event by event. */
const wholeBody = (reply: Reply, behaviour: Behaviour): WholeBody | undefined => {
  if (behaviour.raw !== undefined) {
    return { status: behaviour.status ?? 200, type: "application/json", bytes: behaviour.raw };
  }
  if (behaviour.body === undefined) return reply.kind === "stream" ? undefined : trueBody(reply, behaviour);
  const body = trueBody(reply, behaviour);
  if (behaviour.body === "html") return { ...body, type: "text/html", bytes: htmlPage(body.status) };
  if (behaviour.body === "empty") return { ...body, bytes: "" };
  if (behaviour.body === "junk") return { ...body, bytes: "upstream connect error or disconnect/reset before headers" };
  const bytes = Buffer.from(body.bytes);
  return { ...body, bytes: bytes.subarray(0, Math.floor(bytes.length / 2)) };
};

const damaged = (bytes: Piece, behaviour: Behaviour): Piece => {
  let piece = bytes;
  if (behaviour.badjson) piece = Buffer.from(piece).subarray(0, Math.floor(piece.length / 2));
  if (behaviour.badutf8) piece = withByte(piece.toString(), 0xff);
  if (behaviour.nul) piece = withByte(piece.toString(), 0);
  return behaviour.bom ? Buffer.concat([byteOrderMark, Buffer.from(piece)]) : piece;
};

const breakKnobs = ["reset", "fin", "eof", "hang"] as const;
const paceKnobs = ["first", "every", "slow", "split", "chunked", "encoding"] as const;
const isAny = (behaviour: Behaviour, names: readonly (keyof Behaviour)[]): boolean =>
  names.some((name) => behaviour[name] !== undefined);

const setEncoding = ({ behaviour, headers }: Sending): void => {
  if (behaviour.encoding === undefined) return;
  headers["content-encoding"] = behaviour.encoding === "wrong" ? "gzip" : behaviour.encoding.split(",").join(", ");
};

const deliverBody = async (body: WholeBody, sending: Sending): Promise<void> => {
  const { behaviour, headers, wire } = sending;
  const bytes = damaged(body.bytes, behaviour);
  headers["content-type"] = behaviour.type ?? body.type;
  setEncoding(sending);
  if (!body.isChunked && !isAny(behaviour, breakKnobs) && !isAny(behaviour, paceKnobs)) {
    headers["content-length"] = String(Buffer.byteLength(bytes) + (behaviour.length ?? 0));
    if (behaviour.length !== undefined) headers.connection = "close";
    wire.response.writeHead(body.status, headers).end(bytes);
    return;
  }
  wire.response.writeHead(body.status, headers);
  const isCut = isAny(behaviour, breakKnobs) || behaviour.every !== undefined;
  await sendPieces(isCut ? eighths(Buffer.from(bytes)) : [bytes], sending, {});
};

function* eighths(bytes: Buffer): Iterable<Buffer> {
  for (let i = 0; i < plainPieces; i += 1) {
    yield bytes.subarray(
      Math.floor((i * bytes.length) / plainPieces),
      Math.floor(((i + 1) * bytes.length) / plainPieces),
    );
  }
}

const deliverStream = async (reply: StreamReply, sending: Sending): Promise<void> => {
  const { behaviour, headers, wire } = sending;
  headers["content-type"] = behaviour.type ?? eventStreamType;
  headers["cache-control"] = "no-cache";
  setEncoding(sending);
  wire.response.writeHead(200, headers);
  const render = frameRenderer(behaviour);
  const failed = reply.failedFrame;
  await sendPieces(renderedFrames(reply, behaviour), sending, {
    error: (sent) => render(reply.errorFrame(sent), sent),
    failed: failed === undefined ? undefined : (sent) => render(failed(sent), sent),
  });
};

function* renderedFrames(reply: StreamReply, behaviour: Behaviour): Iterable<Piece> {
  const render = frameRenderer(behaviour);
  let index = 0;
  let held: Piece | undefined;
  for (const frame of reply.frames) {
    if (held !== undefined) yield held;
    held = render(frame, index);
    if (index === 0 && behaviour.bom) held = Buffer.concat([byteOrderMark, Buffer.from(held)]);
    index += 1;
  }
  if (held !== undefined) yield behaviour.noblank ? withoutBlankLine(held, behaviour) : held;
}

interface LastWords {
  readonly error?: (sent: number) => Piece;
  readonly failed?: ((sent: number) => Piece) | undefined;
}

const sendPieces = async (pieces: Iterable<Piece>, sending: Sending, lastWords: LastWords): Promise<void> => {
  const { behaviour, wire } = sending;
  if (behaviour.first !== undefined || behaviour.hang === "body") wire.response.flushHeaders();
  if (behaviour.hang === "body") return wire.untilGone();
  if (behaviour.first !== undefined && !(await wire.sleep(behaviour.first))) return;
  let sent = 0;
  for (const piece of pieces) {
    if (await isBrokenOff(sent, sending, lastWords)) return;
    if (sent > 0 && behaviour.every !== undefined && !(await wire.sleep(behaviour.every))) return;
    if (!(await wire.send(piece))) return;
    sent += 1;
  }
  if (!(await isBrokenOff(sent, sending, lastWords))) await wire.end();
};

/** Breaks the answer off when its behaviour says so at this point. */
const isBrokenOff = async (sent: number, { behaviour, wire }: Sending, lastWords: LastWords): Promise<boolean> => {
  if (behaviour.reset === sent) await wire.reset();
  else if (behaviour.fin === sent) await wire.fin();
  else if (behaviour.eof === sent) await wire.end();
  else if (behaviour.hang === "mid" && (behaviour.k ?? 1) === sent) await wire.untilGone();
  else {
    const words = behaviour.error === sent ? lastWords.error : behaviour.failed === sent ? lastWords.failed : undefined;
    if (words === undefined) return false;
    await wire.send(words(sent));
    await wire.end();
  }
  return true;
};
