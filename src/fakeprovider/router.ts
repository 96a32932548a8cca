import type { Handler } from "./call.ts";
import { ApiFault } from "./failures.ts";

/** One endpoint: method and path behind the prefix, `{name}` for a part that varies. */
export type Route = readonly [pattern: `${"GET" | "POST" | "DELETE"} /${string}`, handler: Handler];

/** A route found, with the values of its `{…}` parts. */
export interface Match {
  readonly handler: Handler;
  readonly params: Readonly<Record<string, string>>;
}

interface Varying {
  readonly method: string;
  readonly path: RegExp;
  readonly handler: Handler;
}

const noParams = {};

/** Finds endpoints. Fixed paths come before varying ones. */
export class Router {
  readonly #fixed = new Map<string, Handler>();
  readonly #varying: Varying[] = [];

  constructor(routes: readonly Route[]) {
    for (const [pattern, handler] of routes) {
      if (!pattern.includes("{")) this.#fixed.set(pattern, handler);
      else {
        const [method = "", path = ""] = pattern.split(" ");
        const source = path.replace(/\{(\w+)\}/g, "(?<$1>[^/]+)");
        this.#varying.push({ method, path: new RegExp(`^${source}$`), handler });
      }
    }
  }

  /** The endpoint of a request. @throws ApiFault 404 for an unknown path, 405 for a known one with another method. */
  find(method: string, path: string, shownPath: string): Match {
    const fixed = this.#fixed.get(`${method} ${path}`);
    if (fixed !== undefined) return { handler: fixed, params: noParams };
    for (const route of this.#varying) {
      if (route.method !== method) continue;
      const found = route.path.exec(path);
      if (found !== null) return { handler: route.handler, params: decodedParams(found.groups) };
    }
    if (!this.#isKnown(path)) throw unknownUrl(method, shownPath);
    const message = `Not allowed to ${method} on ${shownPath}. (HINT: Perhaps you meant to use a different HTTP method?)`;
    throw new ApiFault(405, { message });
  }

  #isKnown(path: string): boolean {
    const isFixed = ["GET", "POST", "DELETE"].some((method) => this.#fixed.has(`${method} ${path}`));
    return isFixed || this.#varying.some((route) => route.path.test(path));
  }
}

/** The answer to a path that no endpoint has. */
export const unknownUrl = (method: string, path: string): ApiFault =>
  new ApiFault(404, { message: `Invalid URL (${method} ${path})` }, { azureCode: "404" });

const decodedParams = (groups: Readonly<Record<string, string>> | undefined): Record<string, string> =>
  Object.fromEntries(Object.entries(groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]));
