/** Cached answers leave the sidecar sealed (AES-256-GCM): reading Redis discloses nothing, writing to it plants nothing. */
import { createCipheriv, createDecipheriv, hash, hkdfSync, randomBytes } from "node:crypto";
import { assert } from "../../base/assert.ts";
import type { SidecarConfig } from "../../config/contract.ts";
import type { Usage } from "../openai/usage.ts";

/** A stored answer, opened. */
export interface CachedAnswer {
  readonly kind: "json" | "sse";
  readonly contentType: string;
  readonly usage: Usage | undefined;
  /** Wall clock of the sidecar that stored it. */
  readonly storedAtMs: number;
  readonly bytes: Buffer;
}

interface DerivedKeys {
  readonly id: string;
  readonly seal: Buffer;
  readonly name: MacKey;
}

const entryVersion = 1;
const ivBytes = 12;
const tagBytes = 16;

const derive = (secret: string, purpose: string): Buffer =>
  Buffer.from(hkdfSync("sha256", Buffer.from(secret, "base64"), "sidegate", purpose, 32));

/** Bytes of a block of SHA-256. */
const blockBytes = 64;

/** A key made ready for HMAC (RFC 2104): the two blocks that go before. */
interface MacKey {
  readonly inner: Buffer;
  readonly outer: Buffer;
}

function macKeyOf(key: Buffer): MacKey {
  const inner = Buffer.alloc(blockBytes, 0x36);
  const outer = Buffer.alloc(blockBytes, 0x5c);
  for (const [i, byte] of key.entries()) {
    inner[i] = 0x36 ^ byte;
    outer[i] = 0x5c ^ byte;
  }
  return { inner, outer };
}

/** Where what is hashed is put together: mostly it is short, and nobody else runs meanwhile. */
const place = Buffer.allocUnsafeSlow(16_384);

/** Gives bytes piece by piece. A piece is only valid during the call. */
type Feed = (update: (piece: Buffer) => void) => void;

/**
 * HMAC-SHA-256 of names and content in base64url; the length of each name stands before it, so that no two lists are spelt alike.
 * Two one-shot hashes: Node's streaming Hmac costs four times as much for a few hundred bytes.
 */
function macOf(key: MacKey, names: readonly string[], content: Feed): string {
  let text = "";
  for (const name of names) text += `${name.length}:${name}`;
  const before: Buffer[] = []; // what has had no room
  let used = key.inner.copy(place);
  const update = (piece: Buffer): void => {
    if (used + piece.length > place.length) {
      before.push(Buffer.from(place.subarray(0, used)));
      used = 0;
    }
    if (piece.length > place.length) before.push(Buffer.from(piece));
    else used += piece.copy(place, used);
  };
  update(Buffer.from(text));
  content(update);
  const last = place.subarray(0, used);
  const digest = hash("sha256", before.length === 0 ? last : Buffer.concat([...before, last]), "latin1");
  used = key.outer.copy(place);
  used += place.write(digest, used, "latin1");
  return hash("sha256", place.subarray(0, used), "base64url");
}

/** Seals, opens and names entries with the namespace's keys; the newest key seals, all of them open. */
export class CacheSeal {
  readonly #keys: readonly DerivedKeys[];
  constructor(keys: SidecarConfig["keys"]) {
    this.#keys = keys.map(({ id, secret }) => ({
      id,
      seal: derive(secret, "cache-seal"),
      name: macKeyOf(derive(secret, "cache-name")),
    }));
  }

  /** The entry's name: a MAC, so that names say nothing about prompts and cannot be guessed from outside. `content` may not ask for another. Throws AssertionFault without a key. */
  nameOf(names: readonly string[], content: Feed): string {
    const [key] = this.#keys;
    assert(key, "a namespace has at least one key");
    return `${key.id}.${macOf(key.name, names, content)}`;
  }

  seal(name: string, answer: CachedAnswer): Buffer {
    const key = this.#keys[0];
    const { bytes, ...about } = answer;
    const head = Buffer.from(JSON.stringify(about));
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv("aes-256-gcm", key?.seal ?? Buffer.alloc(0), iv).setAAD(Buffer.from(name));
    const size = Buffer.alloc(4);
    size.writeUInt32BE(head.length);
    const id = Buffer.from(key?.id ?? "");
    const sealed = [cipher.update(size), cipher.update(head), cipher.update(bytes), cipher.final()];
    return Buffer.concat([Buffer.from([entryVersion, id.length]), id, iv, cipher.getAuthTag(), ...sealed]);
  }

  /** The answer, or undefined when the entry is not ours, was changed, belongs to another name or to a key that is gone. */
  open(name: string, entry: Buffer): CachedAnswer | undefined {
    const idLength = entry[1] ?? 0;
    const start = 2 + idLength;
    if (entry[0] !== entryVersion || entry.length < start + ivBytes + tagBytes + 4) return undefined;
    const key = this.#keys.find((k) => k.id === entry.toString("utf8", 2, start));
    if (!key) return undefined;
    const decipher = createDecipheriv("aes-256-gcm", key.seal, entry.subarray(start, start + ivBytes), {
      authTagLength: tagBytes,
    })
      .setAAD(Buffer.from(name))
      .setAuthTag(entry.subarray(start + ivBytes, start + ivBytes + tagBytes));
    try {
      const plain = Buffer.concat([decipher.update(entry.subarray(start + ivBytes + tagBytes)), decipher.final()]);
      const headEnd = 4 + plain.readUInt32BE(0);
      const about = JSON.parse(plain.toString("utf8", 4, headEnd)) as Omit<CachedAnswer, "bytes">; // authenticated: our own writing
      return { ...about, bytes: plain.subarray(headEnd) };
    } catch {
      return undefined; // a forged or damaged entry is a miss, and the provider's answer overwrites it
    }
  }
}
