/** TLS and plain http on one port: the first byte of a connection tells them apart. */
import type { Socket } from "node:net";
import { headTimeoutMs } from "../server.ts";

/** First byte of every TLS connection: a record of type handshake (RFC 8446 section 5.1). No HTTP method begins with it. */
const handshakeRecord = 0x16;

/** Who takes a connection once its first byte is known. Nothing of it has been taken from the socket. */
export interface ByFirstByte {
  readonly secure: (socket: Socket) => void;
  readonly plain: (socket: Socket) => void;
}

/** Waits for the first byte, at most `headTimeoutMs`, and hands the socket on. Closes one that ends without a byte. */
export function routeByFirstByte(socket: Socket, to: ByFirstByte): void {
  const give = (): void => {
    clearTimeout(timer);
    socket.off("readable", look).off("end", drop).off("error", drop).off("close", give);
  };
  const drop = (): void => {
    give();
    socket.destroy();
  };
  const look = (): void => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return; // the end of file is told as `end`
    give();
    socket.unshift(chunk);
    if (chunk[0] === handshakeRecord) to.secure(socket);
    else to.plain(socket);
  };
  const timer = setTimeout(drop, headTimeoutMs).unref();
  socket.on("readable", look).on("end", drop).on("error", drop).on("close", give);
}
