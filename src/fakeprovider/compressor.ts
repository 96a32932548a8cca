import { once } from "node:events";
import type { Transform } from "node:stream";
import { createBrotliCompress, createDeflate, createGzip, createZstdCompress } from "node:zlib";
import { BehaviourFault } from "./knobs.ts";

type Encoder = Transform & { flush(done: () => void): void };

const makers: Readonly<Record<string, () => Encoder>> = {
  gzip: createGzip,
  deflate: createDeflate,
  br: createBrotliCompress,
  zstd: createZstdCompress,
};

interface Stage {
  readonly encoder: Encoder;
  /** Output not yet taken; the encoder always flows, so it never waits for a reader. */
  output: Buffer[];
}

const taken = (stage: Stage): Buffer => {
  const bytes = Buffer.concat(stage.output);
  stage.output = [];
  return bytes;
};

/** Compresses an answer piece by piece; what a piece becomes can be decoded without waiting for the next. */
export class Compressor {
  readonly #stages: readonly Stage[];

  /** Encodings in the order they are applied. @throws BehaviourFault on an unknown one. */
  constructor(encodings: readonly string[]) {
    this.#stages = encodings.map((name) => {
      const maker = makers[name.trim()];
      if (maker === undefined) throw new BehaviourFault(`fake: encoding takes ${Object.keys(makers).join("|")}|wrong`);
      const stage: Stage = { encoder: maker(), output: [] };
      stage.encoder.on("data", (chunk: Buffer) => stage.output.push(chunk));
      return stage;
    });
  }

  /** The compressed form of the next piece. */
  async write(piece: string | Buffer): Promise<Buffer> {
    let bytes: Buffer = Buffer.from(piece);
    for (const stage of this.#stages) {
      stage.encoder.write(bytes);
      await new Promise<void>((resolve) => stage.encoder.flush(resolve));
      bytes = taken(stage);
    }
    return bytes;
  }

  /** The trailing bytes. */
  async end(): Promise<Buffer> {
    let carried: Buffer = Buffer.alloc(0);
    for (const stage of this.#stages) {
      const ended = once(stage.encoder, "end");
      stage.encoder.end(carried);
      await ended;
      carried = taken(stage);
    }
    return carried;
  }
}
