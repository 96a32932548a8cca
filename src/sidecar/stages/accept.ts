/** Stage 2: is this a request that we understand? Headers, endpoint, body, JSON, each within its limit. */
import { isUtf8 } from "node:buffer";
import type { EndpointName } from "../../openai/endpoints.ts";
import { GatewayError, refuse } from "../errors.ts";
import { type Accepted, type Identified, know, type RequestBody } from "../exchange.ts";
import { askForBody } from "../expectation.ts";
import { JsonFault, scanJson } from "../json/scan.ts";
import type { ClientRequest } from "../message.ts";
import { MultipartFault, scanMultipart } from "../multipart/scan.ts";
import { matchPath, type PathMatch } from "../openai/paths.ts";
import type { Stage } from "../stage.ts";

/** Most header fields of a request; Node would drop those past its own limit without a word. */
export const headerFieldsMax = 200;

/** Longest name of a model, in characters. */
const modelCharsMax = 256;
/** Of a form's field no more is read, in bytes: above the longest model in UTF-8. */
const fieldBytesMax = 4 * modelCharsMax + 4;

/** The largest bodies that any rule takes for an endpoint; a rule's own limits are checked once the rule is known. */
export interface AcceptLimits {
  readonly bodyBytesMax: number;
  readonly jsonBytesMax: number;
}

/** Refuses what is not well-formed, reads the body, finds endpoint and model. */
export const accept =
  (limitsFor: (endpoint: EndpointName) => AcceptLimits): Stage<Identified, Accepted> =>
  (next) =>
  async (exchange) => {
    checkHeaders(exchange.request);
    const match = matchPath(exchange.request.method ?? "", exchange.path);
    const body = await readBody(exchange, match, limitsFor(match.endpoint.name));
    const { model, streamed } = wishes(match, body);
    return next(know(exchange, { match, body, model, streamed }));
  };

function checkHeaders(request: ClientRequest): void {
  const raw = request.rawHeaders;
  if (raw.length > headerFieldsMax * 2) throw refuse("headers_too_large", `${headerFieldsMax} fields`);
  let hosts = 0;
  let types = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? "";
    if (name.length === 4 && name.toLowerCase() === "host") hosts++;
    else if (name.length === 12 && name.toLowerCase() === "content-type") types++;
  }
  if (hosts > 1) throw refuse("invalid_header", "there is more than one Host");
  if (types > 1) throw refuse("invalid_header", "there is more than one Content-Type");
  if (request.httpVersionMajor !== 1 && !request.isStream)
    throw refuse("malformed_http", `HTTP/${request.httpVersion} is not spoken here`);
  if (hosts === 0 && request.httpVersionMinor > 0) throw refuse("malformed_http", "there is no Host");
  const headers = request.headers;
  const expect = headers.expect;
  if (expect !== undefined && expect.toLowerCase() !== "100-continue")
    throw new GatewayError("invalid_header", ["the only expectation that can be met is 100-continue"], { status: 417 });
  const transfer = headers["transfer-encoding"];
  if (transfer !== undefined) {
    if (transfer.toLowerCase() !== "chunked") throw refuse("invalid_header", "the only transfer-encoding is chunked");
    if (headers["content-length"] !== undefined)
      throw refuse("invalid_header", "content-length and transfer-encoding exclude each other");
    if (request.httpVersionMinor === 0) throw refuse("malformed_http", "HTTP/1.0 knows no transfer-encoding");
  }
  const coding = headers["content-encoding"];
  if (coding !== undefined && coding.toLowerCase() !== "identity") {
    throw refuse("unsupported_content_encoding", coding.slice(0, 40));
  }
}

async function readBody(exchange: Identified, match: PathMatch, limits: AcceptLimits): Promise<RequestBody> {
  const { request } = exchange;
  const kind = match.endpoint.body;
  const declared = request.headers["content-length"];
  const length = declared === undefined ? undefined : Number(declared);
  if (kind === "none") {
    if ((length ?? 0) > 0 || request.headers["transfer-encoding"] !== undefined) {
      throw refuse("malformed_http", `${request.method} requests carry no body here`);
    }
    return { kind: "none" };
  }
  if (length !== undefined && length > limits.bodyBytesMax && kind !== "raw")
    throw tooLarge("body_too_large", limits.bodyBytesMax);
  const contentType = request.headers["content-type"];
  if (kind === "raw") return { kind: "raw", stream: request, length, contentType };
  const asMultipart = kind === "multipart" && !isJson(contentType);
  if (asMultipart && !isMultipart(contentType)) throw refuse("unsupported_media_type", "multipart/form-data");
  if (!asMultipart && contentType !== undefined && !(isJson(contentType) && isUtf8Charset(contentType)))
    throw refuse("unsupported_media_type", "application/json in UTF-8");
  const max = asMultipart ? limits.bodyBytesMax : Math.min(limits.bodyBytesMax, limits.jsonBytesMax);
  if (length !== undefined && length > max) throw tooLarge(asMultipart ? "body_too_large" : "json_too_large", max);
  askForBody(exchange);
  const bytes = await collect(request, max, asMultipart ? "body_too_large" : "json_too_large");
  if (asMultipart) return scannedMultipart(bytes, contentType ?? "");
  // POST without a body where all members are optional (cancel, pause): passes as it came
  if (bytes.length === 0 && match.endpoint.model === "none") return { kind: "none" };
  return scannedJson(bytes);
}

const isJson = (contentType: string | undefined): boolean =>
  contentType !== undefined && /^application\/(?:[a-z.-]{1,40}\+)?json(?:$|[\s;])/i.test(contentType);
/** Another charset would be another text to a server that heeds it: UTF-7 has spellings of its own for every key. */
const isUtf8Charset = (contentType: string): boolean =>
  (contentType.match(/charset/gi)?.length ?? 0) ===
  (contentType.match(/;\s*charset\s*=\s*"?(?:utf-?8|us-ascii)"?\s*(?=;|$)/gi)?.length ?? 0);
const isMultipart = (contentType: string | undefined): boolean =>
  contentType !== undefined && /^multipart\/form-data(?:$|[\s;])/i.test(contentType);
/** A body above its limit; the connection is closed, since what is still to come is not read. */
export const tooLarge = (code: "body_too_large" | "json_too_large", max: number): GatewayError =>
  new GatewayError(code, [String(max)], { headers: [["connection", "close"]] });

/** Reads the whole body. Throws when it is larger than `bytesMax` or the client goes away. */
function collect(request: ClientRequest, bytesMax: number, code: "body_too_large" | "json_too_large"): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bytesMax) {
        request.pause();
        request.removeAllListeners("data");
        reject(tooLarge(code, bytesMax));
        return;
      }
      chunks.push(chunk);
    });
    request.once("end", () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, bytes)));
    request.once("error", (cause) =>
      reject(new GatewayError("malformed_http", ["the body did not arrive whole"], { cause })),
    );
    request.once("close", () => {
      if (!request.complete) reject(refuse("malformed_http", "the body did not arrive whole"));
    });
  });
}

function scannedJson(bytes: Buffer): RequestBody {
  try {
    const document = scanJson(bytes);
    if (document.root.kind !== "object") throw refuse("invalid_json", "the body must be a JSON object");
    return { kind: "json", bytes, document };
  } catch (fault) {
    if (!(fault instanceof JsonFault)) throw fault;
    const where = fault.path === "" ? `at byte ${fault.offset}` : `at ${fault.path}, byte ${fault.offset}`;
    throw new GatewayError(
      fault.code === "duplicate_key" ? "duplicate_key" : "invalid_json",
      [`${fault.message} (${where})`],
      { cause: fault },
    );
  }
}

function scannedMultipart(bytes: Buffer, contentType: string): RequestBody {
  try {
    return { kind: "multipart", bytes, scan: scanMultipart(bytes, contentType), contentType };
  } catch (fault) {
    if (!(fault instanceof MultipartFault)) throw fault;
    throw new GatewayError("invalid_multipart", [fault.message], { cause: fault });
  }
}

/** The model and the wish for a stream, from wherever the endpoint has them. */
function wishes(match: PathMatch, body: RequestBody): { model: string; streamed: boolean } {
  const streams = match.endpoint.stream !== undefined;
  if (match.endpoint.model === "path") return { model: match.ids[0] ?? "", streamed: false };
  if (body.kind === "json") {
    const root = body.document.root;
    const stream = root.get("stream");
    if (stream && stream.kind !== "true" && stream.kind !== "false" && stream.kind !== "null")
      throw typed("stream", "a boolean");
    const speech = match.endpoint.stream === "speech" && root.get("stream_format")?.string() === "sse";
    return { model: modelIn(match, root.get("model")), streamed: streams && (stream?.kind === "true" || speech) };
  }
  if (body.kind === "multipart") {
    const field = (name: string): string | undefined => {
      const part = body.scan.parts.find((p) => p.name === name && p.filename === undefined);
      const text = part && body.bytes.subarray(part.start, Math.min(part.end, part.start + fieldBytesMax));
      if (text && !isUtf8(text)) throw refuse("invalid_multipart", `the field '${name}' is not UTF-8`);
      return text?.toString("utf8");
    };
    const model = match.deployment ?? field("model") ?? "";
    if (match.endpoint.model === "form" && (model === "" || model.length > modelCharsMax))
      throw refuse("model_required");
    return { model, streamed: streams && field("stream") === "true" };
  }
  if (match.endpoint.model === "body") throw refuse("model_required");
  return { model: "", streamed: false };
}

function modelIn(match: PathMatch, value: { kind: string; string(): string | undefined } | undefined): string {
  if (match.endpoint.model === "none") return "";
  if (match.deployment !== undefined) return match.deployment;
  if (value === undefined || value.kind === "null") throw refuse("model_required");
  const model = value.string();
  if (model === undefined) throw typed("model", "a string");
  if (model === "" || model.length > modelCharsMax) throw refuse("model_required");
  return model;
}

/** A member of the wrong type. */
export const typed = (field: string, want: string): GatewayError =>
  new GatewayError("invalid_type", [field, want], { param: field });
