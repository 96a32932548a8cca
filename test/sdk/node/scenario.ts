/** What an application does with the SDK, told once and run against any client: with and without the sidecar it must see the same. */
import { createHash } from "node:crypto";
import type OpenAI from "openai";

/** One use of the SDK. The answer is what the application saw, so it must show all that matters. */
export interface Scenario {
  /** The Python suite has a scenario of the same name. */
  readonly name: string;
  readonly run: (client: OpenAI) => Promise<unknown>;
}

/** Everything that an async iterable brings. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** A binary answer as something that can be compared and read in a diff. */
export async function binary(response: Response): Promise<object> {
  const bytes = Buffer.from(await response.arrayBuffer());
  return {
    type: response.headers.get("content-type"),
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  };
}

/**
 * A value as plain JSON. `usage: null` is left out: the sidecar asks every chat stream for its usage, and a provider that is
 * asked writes that member into each chunk; it tells an application nothing.
 */
export const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value ?? null, (key, member: unknown) => (key === "usage" && member === null ? undefined : member)),
  );
