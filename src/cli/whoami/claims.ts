/** What a token says, before or after it was verified: only to explain, never to decide. */

/** Claims of a JWT; empty for what is none. */
export type Claims = Readonly<Record<string, unknown>>;

/** The payload of a JWT. */
export const claimsIn = (text: string): Claims => partOf(text, 1);

/** The header of a JWT. */
export const headerIn = (text: string): Claims => partOf(text, 0);

const partOf = (text: string, index: number): Claims => {
  try {
    const value: unknown = JSON.parse(Buffer.from(text.split(".")[index] ?? "", "base64url").toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Claims) : {}; // an object of JSON
  } catch {
    return {};
  }
};
