import type { Dialect, JsonReply } from "./call.ts";

/** The `error` object of an answer; all four keys are always there in OpenAI's dialect. */
export interface ErrorBody {
  readonly message: string;
  readonly type: string | null;
  readonly param: string | null;
  readonly code: string | null;
}

/** An answer with an error status, thrown by endpoints. `azureCode` is the `code` Azure gives it, by default the status. */
export class ApiFault extends Error {
  readonly status: number;
  readonly error: ErrorBody;
  readonly azureCode: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    error: Partial<ErrorBody> & { message: string },
    options: { azureCode?: string; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(error.message);
    this.status = status;
    const { message, type = "invalid_request_error", param = null, code = null } = error;
    this.error = { message, type, param, code };
    this.azureCode = options.azureCode;
    this.headers = options.headers ?? {};
  }
}

/** A 400 about one parameter. */
export const badParameter = (message: string, param: string | null, code: string | null = null): ApiFault =>
  new ApiFault(400, { message, param, code });

/** A 400 about a parameter that is not there. */
export const missingParameter = (name: string): ApiFault =>
  badParameter(`Missing required parameter: '${name}'.`, name, "missing_required_parameter");

const article = (noun: string): string => (/^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`);

const typeNameOf = (value: unknown): string => {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "number") return Number.isInteger(value) ? "an integer" : "a decimal number";
  return article(typeof value);
};

/** A 400 about a value of the wrong type; `expected` with its article. */
export const wrongType = (name: string, expected: string, value: unknown): ApiFault =>
  badParameter(
    `Invalid type for '${name}': expected ${expected}, but got ${typeNameOf(value)} instead.`,
    name,
    "invalid_type",
  );

/** A 404 about a stored object, e.g. `No such File object: file-1`. */
export const noSuch = (message: string, param: string | null = "id"): ApiFault =>
  new ApiFault(404, { message, param }, { azureCode: "404" });

/** A 404 about a model. */
export const noSuchModel = (model: string): ApiFault =>
  new ApiFault(
    404,
    { message: `The model \`${model}\` does not exist or you do not have access to it.`, code: "model_not_found" },
    { azureCode: "DeploymentNotFound" },
  );

/** The answer for a fault in the words of the dialect. Azure keeps OpenAI's body for a faulty request. */
export function replyToFault(fault: ApiFault, dialect: Dialect): JsonReply {
  const isAzureGateway = dialect === "azure" && (fault.azureCode !== undefined || fault.status !== 400);
  const error = isAzureGateway
    ? { code: fault.azureCode ?? String(fault.status), message: fault.error.message }
    : fault.error;
  return { kind: "json", status: fault.status, body: { error }, headers: fault.headers };
}

const html = (status: number, title: string): string =>
  `<html>\r\n<head><title>${status} ${title}</title></head>\r\n<body>\r\n<center><h1>${status} ${title}</h1></center>\r\n` +
  "<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n";

/** The page that a proxy in front of the provider answers. */
export const htmlPage = (status: number): string => html(status, status === 200 ? "OK" : "Bad Gateway");
