import type { Dialect, JsonReply } from "./call.ts";
import { jsonReply } from "./call.ts";
import { isObject } from "./json-values.ts";
import type { Behaviour } from "./knobs.ts";
import { type AssertionFault, type AssertionRules, assertionFault, type PublicJwk } from "./token-assertion.ts";

/** Who may exchange tokens here. Absent members accept any. */
export interface FederationOptions {
  /** Keys of the issuer of the pods' tokens; absent: signatures are not checked. */
  readonly keys?: readonly PublicJwk[];
  readonly issuer?: string;
  readonly subject?: string;
  readonly openai?: {
    readonly audience?: string;
    readonly identityProviderID?: string;
    readonly serviceAccountID?: string;
    readonly clientID?: string;
  };
  readonly entra?: {
    readonly audience?: string;
    readonly tenantID?: string;
    readonly clientID?: string;
    readonly scope?: string;
  };
}

/** A request to a token endpoint. */
export interface TokenRequest {
  readonly method: string;
  readonly url: string;
  readonly contentType: string;
  readonly body: Buffer;
  readonly behaviour: Behaviour;
}

const expiresInDefault = 3_600;
/** Tokens remembered at most; the oldest is forgotten first. */
const tokensMax = 10_000;
const tokenPrefix = "fakeat-";
const grantType = "urn:ietf:params:oauth:grant-type:token-exchange";
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const openaiMembers = [
  "grant_type",
  "subject_token",
  "subject_token_type",
  "identity_provider_id",
  "service_account_id",
  "client_id",
];
const subjectTypes = ["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"];
const entraMembers = ["grant_type", "client_id", "scope", "client_assertion_type", "client_assertion"];
const entraPath = /^\/([^/?]+)\/oauth2\/v2\.0\/token$/;

/** Microsoft's code and sentence for what is wrong with an assertion. */
const entraFaults: Readonly<
  Record<AssertionFault, readonly [status: number, error: string, code: number, says: string]>
> = {
  malformed: [400, "invalid_request", 50027, "JWT token is invalid or malformed."],
  algorithm: [401, "invalid_client", 5002738, "Invalid JWT token. The signature algorithm is not supported."],
  key: [
    401,
    "invalid_client",
    700027,
    "The certificate with identifier used to sign the client assertion is not registered.",
  ],
  signature: [401, "invalid_client", 700027, "Client assertion failed signature validation."],
  expired: [401, "invalid_client", 700024, "Client assertion is not within its valid time range."],
  audience: [
    400,
    "invalid_client",
    700212,
    "No matching federated identity record found for presented assertion audience.",
  ],
  issuer: [
    400,
    "invalid_client",
    700211,
    "No matching federated identity record found for presented assertion issuer.",
  ],
  subject: [
    400,
    "invalid_client",
    700213,
    "No matching federated identity record found for presented assertion subject.",
  ],
};

/** An answer of an OAuth endpoint that says no. */
class OAuthFault extends Error {
  readonly reply: JsonReply;
  constructor(status: number, body: object) {
    super("refused");
    this.reply = jsonReply(body, status);
  }
}

/** OpenAI's and Microsoft's token endpoints: they check every field, and what they give is good until it ends. */
export class TokenEndpoints {
  #options: FederationOptions;
  readonly #issued = new Map<string, { readonly dialect: Dialect; readonly endsAtMs: number }>();
  #count = 0;

  constructor(options: FederationOptions = {}) {
    this.#options = options;
  }

  /** Whether a URL is one of theirs. */
  static owns(url: string): boolean {
    const path = url.split("?", 1)[0] ?? "";
    return path === "/oauth/token" || entraPath.test(path);
  }

  /** Answers an exchange. */
  answer(request: TokenRequest): JsonReply {
    const tenant = entraPath.exec(request.url.split("?", 1)[0] ?? "")?.[1];
    const { status } = request.behaviour;
    try {
      if (status !== undefined) throw asked(status, tenant !== undefined);
      if (request.method !== "POST") throw new OAuthFault(405, { error: "invalid_request" });
      return tenant === undefined ? this.#openai(request) : this.#entra(request, tenant);
    } catch (error) {
      if (error instanceof OAuthFault) return error.reply;
      throw error;
    }
  }

  /** Whether a key is a token of theirs, and a good one; undefined: it is none of theirs. */
  judge(key: string, dialect: Dialect): boolean | undefined {
    if (!key.startsWith(tokenPrefix)) return undefined;
    const issued = this.#issued.get(key);
    return issued !== undefined && issued.dialect === dialect && Date.now() < issued.endsAtMs;
  }

  /** Whom it exchanges tokens for from now on. */
  federate(options: FederationOptions): void {
    this.#options = options;
  }

  /** Every token that was given is bad from now on. */
  revoke(): void {
    this.#issued.clear();
  }

  #openai({ contentType, body, behaviour }: TokenRequest): JsonReply {
    const refuse = (status: number, error: string, error_description: string): OAuthFault =>
      new OAuthFault(status, { error, error_description });
    const bad = (says: string): OAuthFault => refuse(400, "invalid_request", says);
    if (!/^application\/json\b/i.test(contentType)) throw bad("The content type must be application/json.");
    const fields = jsonFields(body);
    if (!fields) throw bad("The body must be a JSON object of strings.");
    const unknown = [...fields.keys()].find((name) => !openaiMembers.includes(name));
    if (unknown !== undefined) throw bad(`Unknown parameter: '${unknown}'.`);
    if (fields.get("grant_type") !== grantType) throw refuse(400, "unsupported_grant_type", "Unsupported grant_type.");
    for (const name of openaiMembers.slice(1, 5)) if (!fields.get(name)) throw bad(`Missing parameter: '${name}'.`);
    if (!subjectTypes.includes(fields.get("subject_token_type") ?? "")) throw bad("Unsupported subject_token_type.");
    const { audience = "https://api.openai.com/v1", ...own } = this.#options.openai ?? {};
    const isKnown =
      (own.identityProviderID ?? fields.get("identity_provider_id")) === fields.get("identity_provider_id") &&
      (own.serviceAccountID ?? fields.get("service_account_id")) === fields.get("service_account_id") &&
      (own.clientID ?? fields.get("client_id")) === fields.get("client_id");
    if (!isKnown) throw refuse(401, "invalid_client", "Unknown identity provider, service account or client.");
    const fault = assertionFault(fields.get("subject_token") ?? "", this.#rules(audience));
    if (fault) throw refuse(400, "invalid_grant", `The subject token is not acceptable: ${fault}.`);
    return jsonReply({
      access_token: this.#issue("openai", behaviour),
      issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
      token_type: "Bearer",
      ...expiry(behaviour),
    });
  }

  #entra({ contentType, body, behaviour }: TokenRequest, tenant: string): JsonReply {
    const bad = (code: number, says: string, error = "invalid_request"): OAuthFault =>
      entraFault(400, error, code, says);
    if (!/^application\/x-www-form-urlencoded\b/i.test(contentType))
      throw bad(900144, "The request body must be a form.");
    const form = new URLSearchParams(body.toString("utf8"));
    for (const name of entraMembers) {
      if (form.getAll(name).length === 1 && form.get(name) !== "") continue;
      const isAssertion = name.startsWith("client_assertion");
      const says = `The request body must contain the following parameter: '${name}'.`;
      throw isAssertion ? entraFault(401, "invalid_client", 7000218, says) : bad(900144, says);
    }
    const unknown = [...form.keys()].find((name) => !entraMembers.includes(name));
    if (unknown !== undefined) throw bad(900144, `Unknown parameter '${unknown}'.`);
    if (form.get("grant_type") !== "client_credentials")
      throw bad(70003, "The app requested an unsupported grant type.", "unsupported_grant_type");
    if (form.get("client_assertion_type") !== assertionType) throw bad(900144, "The client_assertion_type is unknown.");
    const own = this.#options.entra ?? {};
    if ((own.tenantID ?? tenant) !== tenant) throw bad(90002, `Tenant '${tenant}' not found.`);
    if ((own.clientID ?? form.get("client_id")) !== form.get("client_id"))
      throw bad(700016, `Application '${form.get("client_id")}' was not found.`, "unauthorized_client");
    if (form.get("scope") !== (own.scope ?? "https://cognitiveservices.azure.com/.default"))
      throw bad(70011, "The provided value for scope is not valid.", "invalid_scope");
    const rules = this.#rules(own.audience ?? "api://AzureADTokenExchange");
    const fault = assertionFault(form.get("client_assertion") ?? "", rules);
    if (fault) throw entraFault(...entraFaults[fault]);
    const lives = expiry(behaviour);
    return jsonReply({
      token_type: "Bearer",
      ...lives,
      ...(lives.expires_in !== undefined && { ext_expires_in: lives.expires_in }),
      access_token: this.#issue("azure", behaviour),
    });
  }

  #rules(audience: string): AssertionRules {
    const { keys, issuer, subject } = this.#options;
    return { keys, issuer, subject, audience };
  }

  #issue(dialect: Dialect, { expires = expiresInDefault }: Behaviour): string {
    this.#count += 1;
    const token = `${tokenPrefix}${dialect}-${this.#count}`;
    this.#issued.set(token, { dialect, endsAtMs: Date.now() + (expires || expiresInDefault) * 1000 });
    if (this.#issued.size > tokensMax) {
      const oldest = this.#issued.keys().next();
      if (!oldest.done) this.#issued.delete(oldest.value);
    }
    return token;
  }
}

/** `expires=0` leaves the member out. */
const expiry = ({ expires = expiresInDefault }: Behaviour): { expires_in?: number } =>
  expires === 0 ? {} : { expires_in: expires };

const entraFault = (status: number, error: string, code: number, says: string): OAuthFault =>
  new OAuthFault(status, {
    error,
    error_description: `AADSTS${code}: ${says} Trace ID: 00000000-fa4e-4000-8000-000000000000`,
    error_codes: [code],
    timestamp: "2026-01-01 00:00:00Z",
    trace_id: "00000000-fa4e-4000-8000-000000000000",
    correlation_id: "00000000-fa4e-4000-9000-000000000000",
  });

const asked = (status: number, isEntra: boolean): OAuthFault => {
  const error = status >= 500 ? "temporarily_unavailable" : status === 401 ? "invalid_client" : "invalid_grant";
  if (isEntra) return entraFault(status, error, status >= 500 ? 90033 : 70021, "A failure was asked for.");
  return new OAuthFault(status, { error, error_description: "A failure was asked for." });
};

const jsonFields = (body: Buffer): ReadonlyMap<string, string> | undefined => {
  try {
    const value: unknown = JSON.parse(body.toString("utf8"));
    if (!isObject(value)) return undefined;
    const fields = new Map<string, string>();
    for (const [name, each] of Object.entries(value)) {
      if (typeof each !== "string") return undefined;
      fields.set(name, each);
    }
    return fields;
  } catch {
    return undefined;
  }
};
