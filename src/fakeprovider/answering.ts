import type { Call, Reply } from "./call.ts";
import type { ParsedBody, Target } from "./call-parsing.ts";
import { checkAzure, checkKey } from "./call-parsing.ts";
import { endpoints } from "./endpoints.ts";
import { askedFailure } from "./failure-catalogue.ts";
import { ApiFault, replyToFault } from "./failures.ts";
import { idSource } from "./id-source.ts";
import type { JsonObject } from "./json-values.ts";
import type { Behaviour } from "./knobs.ts";
import type { Match } from "./router.ts";
import { Router, unknownUrl } from "./router.ts";
import { ProviderState } from "./state.ts";
import { type FederationOptions, TokenEndpoints } from "./token-endpoints.ts";

/** Creation time of the first answer; each later request is a second younger. */
const epochSeconds = 1_767_225_600;

/** A request that has arrived whole. */
export interface Arrived {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly behaviour: Behaviour;
  /** Absent when the URL belongs to neither dialect. */
  readonly target: Target | undefined;
  /** The body, or the fault of one that cannot be read. */
  readonly parsed: ParsedBody | ApiFault;
}

/** The provider without its socket: calls in, replies out. Deterministic for a seed and an order of requests. */
export class Answering {
  readonly #router = new Router(endpoints);
  readonly #state: ProviderState;
  readonly #newId: (prefix: string) => string;
  readonly tokens: TokenEndpoints;
  #keys: ReadonlySet<string> | undefined;
  #ordinal = 0;

  constructor(options: {
    seed: number;
    keys?: readonly string[] | undefined;
    federation?: FederationOptions | undefined;
  }) {
    this.tokens = new TokenEndpoints(options.federation);
    this.#state = new ProviderState(options.seed);
    this.#newId = idSource(options.seed);
    this.#keys = options.keys === undefined ? undefined : new Set(options.keys);
  }

  /** Accepts these keys from now on, beside tokens that were exchanged. */
  acceptKeys(keys: readonly string[]): void {
    this.#keys = new Set(keys);
  }

  /** Answers a request. A fault of the request becomes a reply; other errors are thrown. */
  answer(arrived: Arrived): { call: Call; reply: Reply } {
    const call = this.#callFrom(arrived);
    try {
      return this.#answerTo(call, arrived);
    } catch (error) {
      if (error instanceof URIError)
        return { call, reply: replyToFault(unknownUrl(call.method, arrived.url), call.dialect) };
      if (!(error instanceof ApiFault)) throw error;
      return { call, reply: replyToFault(error, call.dialect) };
    }
  }

  #answerTo(call: Call, { url, target, parsed }: Arrived): { call: Call; reply: Reply } {
    if (TokenEndpoints.owns(url)) {
      const { method, headers, body, behaviour } = call;
      const contentType = headers["content-type"] ?? "";
      return { call, reply: this.tokens.answer({ method, url, contentType, body, behaviour }) };
    }
    if (target === undefined) throw unknownUrl(call.method, url.split("?", 1)[0] ?? url);
    const asked = askedFailure(call);
    if (asked !== undefined) return { call, reply: asked };
    checkKey(call.headers, call.dialect, (key) => this.#accepts(key, call));
    checkAzure(call, target.isDated);
    const { handler, params } = this.#find(call, url);
    if (parsed instanceof ApiFault) throw parsed;
    const routed: Call = { ...call, params };
    return { call: routed, reply: handler(routed) };
  }

  /** Azure takes tokens as bearer only: `api-key` is for keys. */
  #accepts(key: string, { dialect, headers }: Call): boolean {
    const asToken = this.tokens.judge(key, dialect);
    if (asToken !== undefined) return asToken && headers["api-key"] === undefined;
    return this.#keys === undefined ? key !== "bad-key" : this.#keys.has(key);
  }

  #find(call: Call, url: string): Match {
    return this.#router.find(call.method, call.path, url.split("?", 1)[0] ?? url);
  }

  #callFrom({ method, url, headers, body, behaviour, target, parsed }: Arrived): Call {
    this.#ordinal += 1;
    const { json, form } = parsed instanceof ApiFault ? { json: {}, form: [] } : parsed;
    const call: Call = {
      method,
      path: target?.path ?? url,
      query: target?.query ?? new URLSearchParams(),
      headers,
      dialect: target?.dialect ?? "openai",
      ...(target?.deployment === undefined ? {} : { deployment: target.deployment }),
      apiVersion: target?.query.get("api-version") ?? undefined,
      params: {},
      json,
      form,
      body,
      behaviour,
      ordinal: this.#ordinal,
      createdSeconds: epochSeconds + this.#ordinal,
      state: this.#state,
      newId: this.#newId,
      dispatch: (innerMethod, innerPath, innerJson) => this.#dispatch(call, innerMethod, innerPath, innerJson),
    };
    return call;
  }

  /** Answers a request inside another, e.g. one line of a batch. */
  #dispatch(outer: Call, method: string, path: string, json: JsonObject): Reply {
    try {
      const { handler, params } = this.#router.find(method, path, path);
      this.#ordinal += 1;
      return handler({ ...outer, method, path, json, params, form: [], behaviour: {}, ordinal: this.#ordinal });
    } catch (error) {
      if (error instanceof ApiFault) return replyToFault(error, outer.dialect);
      throw error;
    }
  }
}
