/** What the `restricted` Pod Security Standard asks of a pod. */

/** For a pod's spec; uid 1000 is the user of the test images. */
export const restrictedPod = {
  securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
} as const;

/** For a container. */
export const restrictedContainer = {
  securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
} as const;
