// What happens to pods and streams while the operator is rolled, killed, and its authority replaced. Counted: admissions refused, streams broken.
// The steps share one rotation of the authority, because its old one stays trusted for three minutes.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AdmissionCounts, type Admissions, since, startAdmissions } from "./harness/admissions.ts";
import { isOwnCluster } from "./harness/cluster.ts";
import { startProvider } from "./harness/fake-provider.ts";
import { inWords, say } from "./harness/figures.ts";
import { installSidegate, systemNamespace } from "./harness/installation.ts";
import { apply, kubectl, type Pod, podsOf, remove, waitFor } from "./harness/kubectl.ts";
import { useNamespace } from "./harness/namespace.ts";
import {
  leaderName,
  leaderPod,
  operatorDeployment,
  operatorSettled,
  processesOf,
  webhookTrust,
} from "./harness/operator.ts";
import { airoute, credential, injected } from "./harness/route.ts";
import { isAcknowledged, routeStatus } from "./harness/route-status.ts";
import { endTraffic, type TrafficCounts, trafficDeployment, trafficOfAll } from "./harness/traffic.ts";
import { until } from "./harness/until.ts";

/** Streams side by side, each of 5 s. */
const streamsAtOnce = 6;
/** A kill without warning leaves the API server with an address that refuses until endpoints have followed, ms. */
const killedRefusalMsMax = 5_000;
/** Another replica leads after a kill: the lease must run out, ms. */
const takeOverMsMax = 25_000;
/** From "asked" to "the new certificate is served": two waits of 30 s and the looks in between, ms. */
const servingMsMax = 90_000;
/** Until the old authority is trusted no more, ms. */
const retiredMsMax = 270_000;

const streaming = useNamespace("streams");
const making = useNamespace("making");
let pods: readonly Pod[] = [];
let admissions: Admissions | undefined;
let oldAuthority = "";
let rotatedAtMs = 0;

const counted = (): AdmissionCounts => {
  if (!admissions) throw new Error("nothing is being created");
  return admissions.counts();
};

/** Does something under load; answers what the load counted meanwhile. */
const during = async (what: string, disturb: () => Promise<void>): Promise<AdmissionCounts & { broken: number }> => {
  const [before, streamsBefore] = [counted(), await trafficOfAll(pods)];
  const startMs = performance.now();
  await disturb();
  const [now, streams] = [since(before, counted()), await trafficOfAll(pods)];
  const broken = streams.failed - streamsBefore.failed;
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
  say(
    `${what} (${seconds} s): ${now.created} pods created (${inWords(now.durationsMs)}), ${now.refusals.length} refused; ` +
      `${streams.whole - streamsBefore.whole} streams whole, ${broken} broken`,
  );
  for (const { status, message } of now.refusals) say(`  refused: ${status} ${message}`);
  return { ...now, broken };
};

const faultsOf = ({ faults }: TrafficCounts): readonly string[] => faults.map(({ message }) => message);

beforeAll(async () => {
  await installSidegate();
  const provider = await startProvider(streaming);
  await apply([credential(streaming, "sk-streams"), airoute({ namespace: streaming, provider })]);
  const traffic = { name: "app", namespace: streaming, replicas: 2, loops: streamsAtOnce / 2, pauseMs: 100 };
  await apply(trafficDeployment({ ...traffic, mode: "streams", annotations: injected }));
  await waitFor("deployment/app", "condition=Available", streaming);
  pods = await podsOf("app=app", streaming);
  await operatorSettled();
  admissions = await startAdmissions(making);
  await until("pods are created", () => counted().created > 3);
});

afterAll(async () => {
  await admissions?.stop();
});

describe("under continuous creation of annotated pods and continuous streams", () => {
  test("a new authority is announced and then serves, and nothing is refused or broken", async () => {
    oldAuthority = (await webhookTrust()).authority;
    rotatedAtMs = performance.now();
    const { refusals, broken } = await during("authority rotated, until the new one serves", async () => {
      await kubectl([
        "annotate",
        "secret",
        "sidegate-webhook",
        "-n",
        systemNamespace,
        "sidegate.dev/rotate=now",
        "--overwrite",
      ]);
      const isServing = async (): Promise<boolean> => {
        const { authority, isServing: serves, trusted } = await webhookTrust();
        return authority !== oldAuthority && serves && trusted.includes(authority) && trusted.includes(oldAuthority);
      };
      await until("the new authority serves", isServing, servingMsMax);
    });
    expect(refusals).toEqual([]);
    expect(broken).toBe(0);
  });

  test("a rolled operator refuses and breaks nothing", async () => {
    const { refusals, broken } = await during("operator rolled", async () => {
      await kubectl(["rollout", "restart", operatorDeployment, "-n", systemNamespace]);
      await operatorSettled();
    });
    expect(refusals).toEqual([]);
    expect(broken).toBe(0);
  });

  test("a leader that is told to go hands over, and nothing is refused or broken", async () => {
    let handOverMs = 0;
    const { refusals, broken } = await during("leader deleted", async () => {
      const old = await leaderPod();
      const startMs = performance.now();
      await remove([`pod/${old.metadata.name}`, "--wait=false"], systemNamespace);
      await until("another one leads", async () => {
        const name = await leaderName();
        return name !== undefined && name !== old.metadata.name;
      });
      handOverMs = performance.now() - startMs;
      await operatorSettled();
    });
    say(`lease handed over after ${Math.round(handOverMs)} ms`);
    expect(refusals).toEqual([]);
    expect(broken).toBe(0);
  });

  test("a leader deleted by force breaks no stream, and refuses nothing", async () => {
    const { refusals, broken } = await during("leader deleted by force", async () => {
      const old = await leaderPod();
      await remove([`pod/${old.metadata.name}`, "--grace-period=0", "--force"], systemNamespace);
      await until("another one leads", async () => (await leaderName()) !== old.metadata.name, takeOverMsMax);
      await operatorSettled();
    });
    expect(refusals).toEqual([]);
    expect(broken).toBe(0);
  });

  test.skipIf(!isOwnCluster)("a leader whose process is killed breaks no stream", async () => {
    let killedAtMs = 0;
    const { refusals, broken } = await during("leader's process killed", async () => {
      const old = await leaderPod();
      const [pid] = await processesOf(old, (line) => line.includes("/operator"));
      if (pid === undefined) throw new Error("the leader has no process here");
      killedAtMs = Date.now();
      process.kill(pid, "SIGKILL");
      await until("it was restarted", async () => {
        const [status] = (
          await kubectl([
            "get",
            "pod",
            old.metadata.name,
            "-n",
            systemNamespace,
            "-o",
            "jsonpath={.status.containerStatuses[0].restartCount}",
          ])
        ).split(" ");
        return Number(status) > 0;
      });
      await operatorSettled();
    });
    expect(broken).toBe(0);
    // Nobody can answer at an address whose process is gone; the API server asks there until the endpoints have followed.
    expect(Math.max(0, ...refusals.map(({ atMs }) => atMs - killedAtMs))).toBeLessThan(killedRefusalMsMax);
  });

  test("the old authority leaves, and nothing is refused or broken", async () => {
    const { refusals, broken } = await during("until the old authority had left", async () => {
      const isGone = async (): Promise<boolean> => !(await webhookTrust()).trusted.includes(oldAuthority);
      await until("the old authority has left", isGone, retiredMsMax);
    });
    say(`rotation of the authority took ${Math.round((performance.now() - rotatedAtMs) / 1_000)} s`);
    const { authority, isServing, trusted } = await webhookTrust();
    expect({ isServing, trusted }).toEqual({ isServing: true, trusted: [authority] });
    expect(refusals).toEqual([]);
    expect(broken).toBe(0);
  });

  test("afterwards every stream has ended whole, and the status is well", async () => {
    const all = await admissions?.stop();
    const streams = await endTraffic(pods);
    say(
      `in all: ${all?.created} pods created, ${all?.refusals.length} refused; ${streams.whole} streams whole, ${streams.failed} broken`,
    );
    expect(faultsOf(streams)).toEqual([]);
    expect(streams.whole).toBe(streams.started);
    await until("the route is programmed", async () => isAcknowledged(await routeStatus(streaming), pods.length));
  });
});
