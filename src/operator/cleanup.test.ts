import { expect, test } from "vitest";
import { silentLog } from "../base/log.ts";
import { type KubeApi, KubeFault, type KubeObject } from "../kube/port.ts";
import { cleanup, operatorsEndMsMax } from "./cleanup.ts";

const pod = (owner: string): KubeObject => ({
  metadata: {
    name: `${owner}-x`,
    ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: owner, uid: "u" }],
  },
});

/** A cluster whose operators end after so many looks; `said` is what happened in order. */
const stage = ({ looks, deployment = true }: { looks: number; deployment?: boolean }) => {
  const said: string[] = [];
  let left = looks;
  const refuse = (): Promise<never> => Promise.reject(new Error("not part of this test"));
  const api: KubeApi = {
    get: refuse,
    watch: refuse,
    create: refuse,
    replace: refuse,
    apply: refuse,
    delete: refuse,
    raw: refuse,
    mergePatch: async (_resource, { name }, patch) => {
      said.push(`patch ${name} ${JSON.stringify(patch)}`);
      if (!deployment) throw new KubeFault("gone", { status: 404 });
      return { metadata: { name } };
    },
    list: async () => ({
      items: [pod("sidegate-redis-1"), ...(left-- > 0 ? [pod("sidegate-operator-77")] : [])],
      resourceVersion: "1",
    }),
  };
  const options = {
    ...{ api, namespace: "sidegate-system", deployment: "sidegate-operator", log: silentLog() },
    removeUsers: async () => said.push("users removed"),
    pause: async (ms: number) => void said.push(`wait ${ms}`),
  };
  return { said, options };
};

test("users go after the operators have ended, so that nobody makes them anew", async () => {
  const { said, options } = stage({ looks: 2 });
  await cleanup(options);
  expect(said).toEqual(['patch sidegate-operator {"spec":{"replicas":0}}', "wait 1000", "wait 1000", "users removed"]);
});

test("a Deployment that is gone already is no fault", async () => {
  const { said, options } = stage({ looks: 0, deployment: false });
  await cleanup(options);
  expect(said.at(-1)).toBe("users removed");
});

test("operators that do not end do not keep the uninstallation for ever", async () => {
  const { said, options } = stage({ looks: Number.POSITIVE_INFINITY });
  await cleanup(options);
  expect(said.filter((line) => line.startsWith("wait"))).toHaveLength(operatorsEndMsMax / 1000);
  expect(said.at(-1)).toBe("users removed");
});
