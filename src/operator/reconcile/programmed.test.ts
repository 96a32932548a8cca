import { expect, test } from "vitest";
import type { InjectedPod } from "../cluster/projections.ts";
import type { Heartbeat } from "../ports.ts";
import { programmedOf, sidecarStateOf } from "./programmed.ts";

const pod: InjectedPod = {
  namespace: "team",
  name: "bot-1",
  uid: "u1",
  workload: { namespace: "team", serviceAccount: "bot" },
  isLive: true,
  isActive: true,
  createdMs: 0,
  contract: 1,
  injectionDigest: "d",
};
const digests = new Map([
  [1, "sha256:one"],
  [2, "sha256:two"],
]);
const beat = (more: Partial<Heartbeat>): Heartbeat => ({
  pod: "bot-1",
  digest: "sha256:one",
  contract: 1,
  release: "0.1.0",
  ...more,
});

test.each([
  {
    name: "the published digest of its own contract is current",
    heartbeat: beat({ digest: "sha256:two", contract: 2 }),
    want: "Current",
  },
  { name: "another contract's digest is not", heartbeat: beat({ digest: "sha256:two", contract: 1 }), want: "Older" },
  { name: "an older digest is older", heartbeat: beat({ digest: "sha256:zero" }), want: "Older" },
  {
    name: "an older digest with a fault was refused",
    heartbeat: beat({ digest: "sha256:zero", fault: "route: is unknown" }),
    want: "Refused",
  },
  { name: "a fault that was overcome does not count", heartbeat: beat({ fault: "old" }), want: "Current" },
  { name: "a contract that is not published is older", heartbeat: beat({ contract: 9 }), want: "Older" },
  {
    name: "a pod that is not proven refuses everything, whatever its config",
    heartbeat: beat({ identityFault: "token_expired: The token has ended" }),
    want: "Unproven",
  },
  {
    name: "an identity that is kept for a time is served",
    heartbeat: beat({ identityHeld: "key_unknown: a key" }),
    want: "Current",
  },
  {
    name: "one that cannot listen as its config says is not current",
    heartbeat: beat({ listenerFault: "port 15102 is taken" }),
    want: "Deaf",
  },
  { name: "no heartbeat is silence", heartbeat: undefined, want: "Silent" },
])("$name", ({ heartbeat, want }) => {
  expect(sidecarStateOf(pod, heartbeat, digests).kind).toBe(want);
});

const current = { kind: "Current" } as const;
const older = { kind: "Older" } as const;
const held = { kind: "Current", held: "pod bot-2: key_unknown: a key" } as const;
const unproven = { kind: "Unproven", fault: "pod bot-1: token_expired: The token has ended" } as const;
const silent = { kind: "Silent" } as const;
const refused = { kind: "Refused", fault: "pod bot-1: route: is unknown" } as const;

test.each([
  { name: "all current is Programmed", states: [current, current], want: ["True", "Programmed", "2 of 2"] },
  { name: "no pod is Programmed: the next one gets it", states: [], want: ["True", "Programmed", "no pod runs"] },
  {
    name: "one older is PartiallyProgrammed",
    states: [current, older, silent],
    want: ["False", "PartiallyProgrammed", "1 of 3"],
  },
  { name: "one silent is Unknown", states: [current, silent], want: ["Unknown", "HeartbeatMissing", "1 of 2"] },
  {
    name: "one that is not proven is IdentityRefused, and its words are there",
    states: [current, older, unproven, silent],
    want: ["False", "IdentityRefused", "1 of 4 sidecars refuse every request, because"],
  },
  { name: "the code is among them", states: [unproven], want: ["False", "IdentityRefused", "token_expired"] },
  {
    name: "one that keeps its identity is Programmed with a remark",
    states: [current, held],
    want: ["True", "Programmed", "1 of them keep an identity that they cannot verify now: pod bot-2: key_unknown"],
  },
  {
    name: "one that refused is ConfigRefused, whatever the others say",
    states: [older, refused, silent],
    want: ["False", "ConfigRefused", "route: is unknown"],
  },
])("$name", ({ states, want }) => {
  const { status, reason, message } = programmedOf(states);
  expect([status, reason]).toEqual(want.slice(0, 2));
  expect(message).toContain(want[2]);
});
