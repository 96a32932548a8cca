/** Where an OIDC issuer says what its keys are: the discovery document, and the JWK Set that it names. */
import { DocumentFault, type GetDocument } from "../upstream/document.ts";
import type { OidcIssuerConfig } from "./bearer.ts";
import { KeyRing } from "./key-ring.ts";
import type { Members } from "./token.ts";

/** Most keys of a JWK Set. */
export const jwksKeysMax = 128;

/** What decides which keys an issuer has. */
export type IssuerPlace = Pick<OidcIssuerConfig, "issuer" | "jwksURL" | "isInsecure">;

/** Fetches an issuer's keys. Rejects with DocumentFault. */
export const fetchKeys = async (place: IssuerPlace, get: GetDocument): Promise<KeyRing> => {
  const url = place.jwksURL === undefined ? await discoveredPlace(place, get) : new URL(place.jwksURL);
  const { keys } = jsonIn(await get(url), url);
  if (!Array.isArray(keys)) throw invalid(url, "did not answer a JWK Set: there is no list of keys");
  if (keys.length > jwksKeysMax) throw invalid(url, `answered more than ${jwksKeysMax} keys`);
  const ring = new KeyRing(keys);
  // An issuer without a key is taken for one that fails: the keys that it had are kept for their time.
  if (ring.size === 0) throw invalid(url, "answered no key that verifies a signature");
  return ring;
};

/** OpenID Connect Discovery 1.0, sections 4.1 and 4.3. */
const discoveredPlace = async ({ issuer, isInsecure }: IssuerPlace, get: GetDocument): Promise<URL> => {
  const url = new URL(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  const document = jsonIn(await get(url), url);
  if (document["issuer"] !== issuer) throw invalid(url, "says that it is another issuer (issuer)");
  const { jwks_uri: text } = document;
  const place = typeof text === "string" ? URL.parse(text) : null;
  const isAnonymous = place?.username === "" && place.password === "";
  if (!place || !isAnonymous) throw invalid(url, "names no place of keys (jwks_uri)");
  // Plain http only as the issuer itself is spoken to: over https no issuer leads to a place on this machine.
  const mayBePlain = isInsecure === true || (url.protocol === "http:" && isLoopback(place));
  if (place.protocol !== "https:" && !(place.protocol === "http:" && mayBePlain))
    throw invalid(url, "names a place of keys (jwks_uri) that is not https");
  return place;
};

const isLoopback = ({ hostname }: URL): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);

const jsonIn = (text: string, url: URL): Members => {
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, "")); // RFC 8259 section 8.1: a byte order mark may be ignored
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Members; // an object of JSON
  } catch {
    // as any other document that is no object
  }
  throw invalid(url, "did not answer a JSON object");
};

const invalid = ({ host }: URL, what: string): DocumentFault => new DocumentFault("invalid", `${host} ${what}`);
