/** The operator's readiness page, through the API server or, from inside the cluster, from the pod itself. */
import { get } from "node:http";
import { isKubeFault, type KubeApi } from "../../kube/port.ts";

/** One line of the page. `fault` undefined: it is well. */
export interface ReadyLine {
  readonly name: string;
  readonly fault: string | undefined;
}

/** Reads the page of one operator pod. Throws KubeFault, also where the pod does not answer. */
export type ReadyPage = (pod: {
  readonly namespace: string;
  readonly name: string;
  readonly ip: string;
}) => Promise<string>;

/** Port of the page, unless the operator's settings say otherwise. */
const timeoutMs = 3_000;
const pageCharactersMax = 10_000;

/** The lines of a page: `[+]NAME ok` and `[-]NAME failed: WHY`; others are passed over. */
export const readyLines = (page: string): readonly ReadyLine[] =>
  page
    .slice(0, pageCharactersMax)
    .split("\n")
    .flatMap((line): ReadyLine[] => {
      const [, sign, rest = ""] = /^\[([+-])\](.+)$/.exec(line) ?? [];
      if (sign === undefined) return [];
      const [name = "", ...words] = rest.split(" ");
      return [
        { name, fault: sign === "+" ? undefined : words.join(" ").replace(/^failed:? ?/, "") || "no reason given" },
      ];
    });

/** By the API server's pod proxy: needs `get` on `pods/proxy`. A page that says "not ready" comes as a refusal without its text. */
export const proxiedReadyPage =
  (api: KubeApi, port: number): ReadyPage =>
  async ({ namespace, name }) => {
    try {
      return await api.raw(`/api/v1/namespaces/${namespace}/pods/${name}:${port}/proxy/readyz?verbose`);
    } catch (fault) {
      if (isKubeFault(fault, 503)) return "[-]ready failed: its readiness page answers 503";
      throw fault;
    }
  };

/** From the pod itself, for a process inside the cluster. */
export const directReadyPage =
  (port: number): ReadyPage =>
  ({ ip }) =>
    new Promise((resolve) => {
      const refused = (why: string): void => resolve(`[-]ready failed: its readiness page ${why}`);
      if (ip === "") return refused("has no address yet");
      const asked = get({ host: ip, port, path: "/readyz?verbose", timeout: timeoutMs, agent: false }, (answer) => {
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (chunk: string) => {
          if (text.length < pageCharactersMax) text += chunk;
        });
        answer.on("end", () => resolve(text));
        answer.on("error", () => refused("broke off"));
      });
      asked.on("timeout", () => asked.destroy());
      asked.on("error", () => refused("does not answer"));
    });
