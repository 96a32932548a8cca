import type { Call, Dialect } from "./call.ts";
import { ApiFault, badParameter } from "./failures.ts";
import type { JsonObject } from "./json-values.ts";
import { isObject } from "./json-values.ts";
import type { FormPart } from "./multipart.ts";
import { boundaryOf, fieldsOf, formPartsOf } from "./multipart.ts";

/** Where a request goes, before its body is looked at. */
export interface Target {
  readonly dialect: Dialect;
  /** Path behind the prefix, still percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly deployment?: string;
  /** Azure's dated paths need `api-version`; `/openai/v1` does not. */
  readonly isDated: boolean;
}

const noQuery = new URLSearchParams();

/**
 * Reads the prefixes of both dialects: `/v1`, `/openai/v1`, `/openai/deployments/{d}`, `/v1/deployments/{d}` (the
 * Azure client with a plain base URL) and `/openai/{…}`. Absent for a path of neither.
 */
export function targetOf(url: string): Target | undefined {
  const mark = url.indexOf("?");
  const whole = mark === -1 ? url : url.slice(0, mark);
  const query = mark === -1 ? noQuery : new URLSearchParams(url.slice(mark + 1));
  const deployed = /^\/(?:openai|v1)\/deployments\/([^/]+)(\/.*)$/.exec(whole);
  if (deployed?.[1] !== undefined && deployed[2] !== undefined) {
    const deployment = decodeURIComponent(deployed[1]);
    return { dialect: "azure", path: deployed[2], query, deployment, isDated: true };
  }
  if (whole.startsWith("/v1/")) return { dialect: "openai", path: whole.slice(3), query, isDated: false };
  if (whole.startsWith("/openai/v1/")) return { dialect: "azure", path: whole.slice(10), query, isDated: false };
  if (whole.startsWith("/openai/")) return { dialect: "azure", path: whole.slice(7), query, isDated: true };
  return undefined;
}

const unauthenticated = (message: string, code: string | null, azureMessage: string, dialect: Dialect): ApiFault =>
  new ApiFault(401, { message: dialect === "azure" ? azureMessage : message, code }, { azureCode: "401" });

const azureRefusal =
  "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an " +
  "active subscription and use a correct regional API endpoint for your resource.";
const noKeySentence =
  "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth " +
  "(i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the API " +
  "from your browser and are prompted for a username and password. You can obtain an API key from " +
  "https://platform.openai.com/account/api-keys.";

const shownKey = (key: string): string =>
  key.length <= 12 ? key : `${key.slice(0, 8)}${"*".repeat(8)}${key.slice(-4)}`;

/** The key of a request as its dialect sends it; absent: it has none. */
export function keyIn(headers: Readonly<Record<string, string>>, dialect: Dialect): string | undefined {
  const bearer = /^bearer\s+(\S+)\s*$/i.exec(headers.authorization ?? "")?.[1];
  return (dialect === "azure" ? headers["api-key"] : undefined) ?? bearer;
}

/** Checks the key of a request. @throws ApiFault 401 */
export function checkKey(
  headers: Readonly<Record<string, string>>,
  dialect: Dialect,
  accepts: (key: string) => boolean,
): void {
  const key = keyIn(headers, dialect);
  if (key === undefined || key === "") throw unauthenticated(noKeySentence, null, azureRefusal, dialect);
  if (accepts(key)) return;
  const sentence =
    `Incorrect API key provided: ${shownKey(key)}. You can find your API key at ` +
    "https://platform.openai.com/account/api-keys.";
  throw unauthenticated(sentence, "invalid_api_key", azureRefusal, dialect);
}

const notJsonSentence =
  "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library " +
  "correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you have trouble " +
  "figuring out how to fix this, please contact us through our help center at help.openai.com.)";

/** What a body holds: a JSON object, or form parts whose plain fields are in `json` too. */
export interface ParsedBody {
  readonly json: JsonObject;
  readonly form: readonly FormPart[];
}

const nothing: ParsedBody = { json: {}, form: [] };

/** Reads the body by its content type. @throws ApiFault 400 when it is not what it says. */
export function parsedBody(body: Buffer, contentType: string): ParsedBody {
  if (body.length === 0) return nothing;
  const boundary = boundaryOf(contentType);
  if (boundary !== undefined) {
    const form = formPartsOf(body, boundary);
    if (form === undefined) throw badParameter("Could not parse multipart form", null);
    return { json: fieldsOf(form), form };
  }
  if (!/^application\/(?:[\w.+-]*\+)?json\b/i.test(contentType)) {
    throw badParameter(
      `Unsupported content type: '${contentType}'. This API method only accepts 'application/json' requests, but you ` +
        `specified the header 'Content-Type: ${contentType}'. Please try again with a supported content type.`,
      null,
      "unsupported_content_type",
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    throw badParameter(notJsonSentence, null);
  }
  if (!isObject(value)) throw badParameter(notJsonSentence, null);
  return { json: value, form: [] };
}

/** Checks what Azure asks of every call. @throws ApiFault 404 */
export function checkAzure(call: Pick<Call, "deployment" | "apiVersion">, isDated: boolean): void {
  if (isDated && (call.apiVersion === undefined || !/^\d{4}-\d\d-\d\d(-preview)?$/.test(call.apiVersion))) {
    throw new ApiFault(404, { message: "Resource not found" }, { azureCode: "404" });
  }
  if (call.deployment === undefined || !/missing/.test(call.deployment)) return;
  const message =
    "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, " +
    "please wait a moment and try again.";
  throw new ApiFault(404, { message }, { azureCode: "DeploymentNotFound" });
}
