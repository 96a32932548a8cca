/** The projected token's file: read whole and bounded. What is in it leaves this folder only as a verdict. */
import { closeSync, openSync, readSync } from "node:fs";
import type { ExpectedPod } from "./claims.ts";
import { type Refused, tokenBytesMax } from "./token.ts";

/** The mounted token, and the pod that it must be of. */
export interface MountedToken {
  readonly file: string;
  readonly pod: ExpectedPod;
}

/** Its bytes, at most one more than a token may have; or why there are none. */
export const readTokenFile = (path: string): Uint8Array | Refused => {
  const read = tryRead(path);
  // The kubelet swaps the folder under us: what is gone in one moment is there in the next.
  return "reason" in read && read.reason === "token_missing" ? tryRead(path) : read;
};

const tryRead = (path: string): Uint8Array | Refused => {
  let fd: number | undefined;
  try {
    fd = openSync(path, "r");
    const bytes = Buffer.alloc(tokenBytesMax + 1);
    let length = 0;
    for (let got = -1; got !== 0 && length < bytes.length; length += got)
      got = readSync(fd, bytes, length, bytes.length - length, null);
    return bytes.subarray(0, length);
  } catch (fault) {
    const isMissing =
      fault instanceof Error && "code" in fault && (fault.code === "ENOENT" || fault.code === "ENOTDIR");
    return { reason: isMissing ? "token_missing" : "token_unreadable" };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
};
