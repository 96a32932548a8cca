/** Annotated pods that are made and deleted without pause, and what became of each. They name a node that is not there, so nothing starts. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { clusterEnv, images } from "./cluster.ts";
import { restrictedContainer, restrictedPod } from "./pod-security.ts";

const createMsMax = 40_000;

/** A creation that did not bring an injected pod. */
export interface Refusal {
  readonly atMs: number;
  /** HTTP status; 0: no answer; 201: created without a sidecar. */
  readonly status: number;
  readonly message: string;
}

/** What has been counted since the start. */
export interface AdmissionCounts {
  readonly created: number;
  readonly refusals: readonly Refusal[];
  /** Of each creation, ms. */
  readonly durationsMs: readonly number[];
}

/** Creation under way. */
export interface Admissions {
  counts(): AdmissionCounts;
  /** No creation begins any more; answers when all have ended. */
  stop(): Promise<AdmissionCounts>;
}

/** `kubectl proxy`: the API by plain HTTP, which sends nothing twice, in contrast to most clients. */
const openProxy = async (): Promise<{ url: string; close: () => void }> => {
  const child = spawn("kubectl", ["proxy", "--port=0"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...clusterEnv },
  });
  for await (const line of createInterface(child.stdout)) {
    const address = /127\.0\.0\.1:\d+/.exec(line)?.[0];
    if (address) return { url: `http://${address}`, close: () => child.kill() };
  }
  throw new Error("kubectl proxy ended");
};

const podText = (namespace: string, name: string): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, annotations: { "sidegate.dev/inject": "true" } },
    spec: {
      ...restrictedPod,
      nodeSelector: { "sidegate.test/none": "here" },
      containers: [{ name: "app", image: images.app, ...restrictedContainer }],
    },
  });

/** Starts; `perSecond` creations begin each second, whether or not those before have been answered. */
export const startAdmissions = async (namespace: string, perSecond = 3): Promise<Admissions> => {
  const proxy = await openProxy();
  const counts = { created: 0, refusals: [] as Refusal[], durationsMs: [] as number[] };
  const underWay = new Set<Promise<void>>();
  const folder = `${proxy.url}/api/v1/namespaces/${namespace}/pods`;
  let isOver = false;

  const one = async (name: string): Promise<void> => {
    const startMs = performance.now();
    try {
      const response = await fetch(folder, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: podText(namespace, name),
        signal: AbortSignal.timeout(createMsMax),
      });
      const text = await response.text();
      counts.durationsMs.push(performance.now() - startMs);
      if (response.status === 201 && text.includes('"sidegate.dev/injected":"true"')) counts.created += 1;
      else counts.refusals.push({ atMs: Date.now(), status: response.status, message: text.slice(0, 400) });
      if (response.status === 201)
        await (await fetch(`${folder}/${name}?gracePeriodSeconds=0`, { method: "DELETE" })).text();
    } catch (fault) {
      counts.refusals.push({ atMs: Date.now(), status: 0, message: String(fault) });
    }
  };
  const all = (async () => {
    for (let index = 0; !isOver; index += 1) {
      const made = one(`made-${index}`).finally(() => underWay.delete(made));
      underWay.add(made);
      await sleep(1_000 / perSecond);
    }
  })();
  return {
    counts: () => ({ ...counts, refusals: [...counts.refusals], durationsMs: [...counts.durationsMs] }),
    stop: async () => {
      isOver = true;
      await all;
      await Promise.all(underWay);
      proxy.close();
      return counts;
    },
  };
};

/** What has come between two counts. */
export const since = (before: AdmissionCounts, now: AdmissionCounts): AdmissionCounts => ({
  created: now.created - before.created,
  refusals: now.refusals.slice(before.refusals.length),
  durationsMs: now.durationsMs.slice(before.durationsMs.length),
});
