/** What is known of service meshes that would stand in the sidecar's way. */
import { allContainers, type Pod } from "./pod.ts";
import { sidecarPlaces } from "./settings.ts";

const istioContainer = "istio-proxy";
const istioAnnotation = "traffic.sidecar.istio.io/excludeInboundPorts";

/** Istio in STRICT mode takes the kubelet's probes for strangers: it rewrites those of the containers that it sees, and it may not have seen ours. */
export const meshWarnings = (pod: Pod): string[] => {
  const hasIstio = allContainers(pod).some(({ container }) => container.name === istioContainer);
  const excluded = pod.metadata?.annotations?.[istioAnnotation]?.split(",").map((port) => port.trim()) ?? [];
  if (!hasIstio || excluded.includes(String(sidecarPlaces.adminPort)) || excluded.includes("*")) return [];
  return [
    `Istio may block the kubelet's probes of the sidecar; annotate the pod ${istioAnnotation}: "${sidecarPlaces.adminPort}"`,
  ];
};
