/**
 * The exchange of the pod's token for one of the provider. OpenAI: RFC 8693, in JSON as its own SDK sends it. Microsoft Entra:
 * client credentials with a federated assertion (RFC 7523), as a form.
 */
import { Secret } from "../../../base/secret.ts";
import type { WorkloadIdentityConfig } from "../../../config/credential.ts";
import { CredentialFault } from "./fault.ts";
import type { Post, PostAnswer, PostTokens } from "./post.ts";

/** Life of a token whose answer names none, in s; OpenAI's SDK takes the same. */
const expiresInDefault = 3_600;
/** Longest life that is believed, in s. */
const expiresInMax = 86_400;
/** Longest token that is taken, in characters: it must fit into a header. */
const tokenLengthMax = 16_384;

/** What an exchange gave. */
export interface ExchangedToken {
  readonly token: Secret;
  /** From when the exchange began, so that it never ends later than the provider says. */
  readonly lifeMs: number;
}

/** Exchanges `subject`. Rejects with CredentialFault; neither token stands in its message. */
export async function exchangeToken(
  config: WorkloadIdentityConfig,
  subject: Secret,
  post: PostTokens,
): Promise<ExchangedToken> {
  const answer = await post(requestOf(config, subject));
  if (answer.status === 200) return tokenIn(answer.body, new URL(config.tokenURL).host);
  throw refusalOf(answer, new URL(config.tokenURL).host);
}

function requestOf({ exchange, tokenURL }: WorkloadIdentityConfig, subject: Secret): Post {
  const url = new URL(tokenURL);
  if (exchange.type === "OpenAI") {
    const body = JSON.stringify({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token: subject.reveal(),
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      identity_provider_id: exchange.identityProviderID,
      service_account_id: exchange.serviceAccountID,
      client_id: exchange.clientID, // left out where it is undefined
    });
    return { url, contentType: "application/json", body };
  }
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: exchange.clientID,
    scope: exchange.scope,
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: subject.reveal(),
  });
  return { url, contentType: "application/x-www-form-urlencoded", body: form.toString() };
}

function tokenIn(body: string, host: string): ExchangedToken {
  const answer = objectIn(body);
  const { access_token: token, token_type: type, expires_in: expires } = answer;
  const invalid = (why: string): CredentialFault => new CredentialFault("invalid", `${host} answered ${why}`);
  if (typeof token !== "string" || token.length > tokenLengthMax || !/^[\x21-\x7e]+$/.test(token))
    throw invalid("without a usable access_token");
  if (type !== undefined && String(type).toLowerCase() !== "bearer") throw invalid("with a token that is no bearer");
  const seconds = expires === undefined ? expiresInDefault : secondsOf(expires);
  if (seconds === undefined) throw invalid("with an expires_in that is no positive number");
  return { token: new Secret(token), lifeMs: Math.min(seconds, expiresInMax) * 1_000 };
}

/** A number, or digits as some of Microsoft's endpoints write them. */
const secondsOf = (value: unknown): number | undefined => {
  const seconds = typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : value;
  return typeof seconds === "number" && Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
};

/** Of the endpoint's words only its codes are taken over: a description may repeat what was sent. */
function refusalOf({ status, body, retryAfterMs }: PostAnswer, host: string): CredentialFault {
  const { error, error_description: description } = objectIn(body);
  const code = typeof error === "string" && /^[a-z_]{1,64}$/.test(error) ? error : undefined;
  const azure = typeof description === "string" ? /^AADSTS\d{4,8}/.exec(description)?.[0] : undefined;
  const why = [code, azure].filter((part) => part !== undefined).join(", ");
  const message = `${host} answered ${status}${why ? ` (${why})` : ""}`;
  const isRefusal = status >= 300 && status < 500 && status !== 408 && status !== 429;
  return new CredentialFault(isRefusal ? "refused" : "unavailable", message, { status, retryAfterMs });
}

const objectIn = (body: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
};
