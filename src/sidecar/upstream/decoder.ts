/** Undoes a compression that nobody asked for: `accept-encoding: identity` is always sent, some providers do it all the same. */

import type { Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";

/** Decoded bytes for each compressed byte, beyond which an answer is taken for a bomb; text compresses 3 to 20 times. */
export const decodedRatioMax = 200;
/** Decoded bytes that are always taken, whatever the ratio. */
export const decodedBytesFree = 1024 * 1024;

const decoders: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/** A decoder for the coding, `undefined` for none, "unknown" for one that we do not know. */
export function decoderFor(coding: string | undefined): Transform | undefined | "unknown" {
  const name = coding?.trim().toLowerCase() ?? "";
  if (name === "" || name === "identity") return undefined;
  return decoders[name]?.() ?? "unknown";
}
