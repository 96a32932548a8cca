/**
 * Providers, and proxies before them, repeat in an error what they were sent. The application must not learn the credential, so its
 * value is taken out of error answers, headers and body. A part of it that the provider itself has masked stays as it is.
 */
import type { HeaderPairs } from "./credentials/credential.ts";

const shown = "***";
const secretHeaders: ReadonlySet<string> = new Set(["authorization", "api-key"]);
/** A shorter value is no secret, and would be found in any text. */
const secretCharsMin = 8;

/** The values in these headers that the application must not see. */
export const secretsIn = (credential: HeaderPairs): readonly string[] => {
  const secrets: string[] = [];
  for (let i = 0; i < credential.length; i += 2) {
    if (!secretHeaders.has(credential[i] ?? "")) continue;
    const value = (credential[i + 1] ?? "").replace(/^Bearer /, "");
    if (value.length >= secretCharsMin) secrets.push(value);
  }
  return secrets;
};

/** The text with *** for each secret. */
export const withoutSecrets = (text: string, secrets: readonly string[]): string =>
  secrets.reduce((left, secret) => left.replaceAll(secret, shown), text);

/** The same for bytes, which are the same bytes where none stands in them. */
export const bytesWithoutSecrets = (bytes: Buffer, secrets: readonly string[]): Buffer =>
  secrets.some((secret) => bytes.includes(secret))
    ? Buffer.from(withoutSecrets(bytes.toString("latin1"), secrets), "latin1")
    : bytes;
