/** Why a pod is not injected although it asks for it: the reason codes, which are labels of metrics and rows of the docs, with a sentence each. */
import { fieldPath } from "../config/field-path.ts";
import type { PodPath } from "./pod.ts";

/** Every reason in the order in which it is looked for; the first that applies is told. */
export const refusalReasons = {
  InjectInvalid: 'The annotation sidegate.dev/inject is neither "true" nor "false".',
  PodInvalid: "A field is not what a pod has there.",
  AnnotationUnknown:
    "There is no such annotation of ours for a pod; the message names the one that was probably meant.",
  AnnotationInvalid: "The value of an annotation is not one of those it can have.",
  ImageNotAllowed: "The annotation sidegate.dev/image names an image that the platform team has not allowed.",
  ContainerUnknown: "The annotation sidegate.dev/containers names a container that the pod does not have.",
  ResourcesInvalid: "A request of the sidecar is above its limit, or its memory limit is too small to run in.",
  HostNetwork: "In the node's network every pod of the node could use the sidecar, and its ports would collide.",
  HostPID: "In the node's process namespace other pods could read the sidecar's credentials.",
  SharedProcessNamespace: "In a shared process namespace the application could read the sidecar's credentials.",
  Windows: "The sidecar runs on Linux only.",
  MirrorPod: "A static pod cannot mount a Secret.",
  UserTaken: "Another container runs as the sidecar's user.",
  PortTaken: "Another container uses a port of the sidecar.",
  ContainerNameTaken: "A container that is not ours has the sidecar's name.",
  VolumeNameTaken: "A volume that is not ours has the name of one of the sidecar's.",
  VolumeMounted: "Another container mounts a volume of the sidecar.",
  SecretMounted: "The pod itself refers to a published sidecar config, which holds credentials.",
} as const;

/** A reason of the table. */
export type RefusalReason = keyof typeof refusalReasons;

/** A refusal: `path` is the field at fault in the pod, and the message names it too, and the fix. */
export interface Refusal {
  readonly kind: "refused";
  readonly reason: RefusalReason;
  readonly message: string;
  readonly path: PodPath;
}

/** Puts the field before the sentence. */
export const refusal = (reason: RefusalReason, path: PodPath, sentence: string): Refusal => ({
  kind: "refused",
  reason,
  message: path.length === 0 ? sentence : `${fieldPath(path)}: ${sentence}`,
  path,
});
