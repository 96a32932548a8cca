/** Cases of `listener`, on the base of AIRoute's. */
import { bad, good, type SchemaRow } from "./rows.ts";

const tls = { secretRef: { name: "bot-tls" } };
const apiKey = { require: "APIKey", apiKeys: { secretRef: { name: "keys" } } };
/** A listener for other pods, whose callers are known. */
const pod = (more: object = {}): SchemaRow["set"] => ({ identity: apiKey, listener: { address: "Pod", tls, ...more } });
const badPod = (name: string, more: object, field: string, says: string): SchemaRow =>
  bad(name, pod(more), `listener.${field}`, says);
const cidrs = (length: number): string[] => Array.from({ length }, (_, index) => `10.0.${index}.0/24`);

/** Where a sidecar listens, and whom it lets in. */
export const airouteListenerRows: readonly SchemaRow[] = [
  good("the listener may say Loopback", { listener: { address: "Loopback" } }),
  good("Loopback may have TLS", { listener: { tls, hsts: { maxAge: "1h" } } }),
  good("Loopback may name user agents", { listener: { userAgents: ["OpenAI/Python *"] } }),
  good("Pod with all that it may have", {
    ...pod({
      tls: { ...tls, minVersion: "1.3" },
      hsts: { maxAge: "17520h" },
      sources: ["10.0.0.0/8", "fd00::/8", "192.0.2.7/32"],
      userAgents: ["OpenAI/*", "curl/8.*"],
    }),
  }),
  bad("an address is one of two", { listener: { address: "Node" } }, "listener.address", "must be one of"),
  bad("Pod needs TLS", { identity: apiKey, listener: { address: "Pod" } }, "listener.tls", "is required"),
  bad("Pod needs to know its callers", { listener: { address: "Pod", tls } }, "identity", "must have require"),
  bad(
    "Pod is not for whoever connects",
    { identity: { require: "ServiceAccount" }, listener: { address: "Pod", tls } },
    "identity",
    "must have require",
  ),
  bad("HSTS needs TLS", { listener: { hsts: { maxAge: "1h" } } }, "listener.hsts", "needs tls"),
  bad("sources belong to Pod", { listener: { sources: ["10.0.0.0/8"] } }, "listener.sources", "address Pod only"),
  badPod("a source is a CIDR", { sources: ["10.0.0.1"] }, "sources[0]", "must be a CIDR"),
  badPod("a source is no name", { sources: ["app.default.svc/32"] }, "sources[0]", "must be a CIDR"),
  badPod("a source stands once", { sources: ["10.0.0.0/8", "10.0.0.0/8"] }, "sources[1]", "twice"),
  badPod("65 sources are too many", { sources: cidrs(65) }, "sources", "at most 64 entries"),
  badPod("TLS is 1.2 or newer", { tls: { ...tls, minVersion: "1.1" } }, "tls.minVersion", "must be one of"),
  badPod("a version of TLS is a text", { tls: { ...tls, minVersion: 1.3 } }, "tls.minVersion", "must be one of"),
  badPod("TLS needs a Secret", { tls: {} }, "tls.secretRef", "is required"),
  badPod("a key does not stand in the route", { tls: { ...tls, key: "x" } }, "tls.key", "unknown"),
  badPod(
    "the Secret of TLS is named as Kubernetes names are",
    { tls: { secretRef: { name: "TLS" } } },
    "tls.secretRef.name",
    "lower-case",
  ),
  badPod("HSTS has a time", { hsts: {} }, "hsts.maxAge", "is required"),
  badPod("HSTS holds for two years at most", { hsts: { maxAge: "17521h" } }, "hsts.maxAge", "1s to 17520h"),
  badPod("HSTS holds for a second at least", { hsts: { maxAge: "0s" } }, "hsts.maxAge", "1s to 17520h"),
  badPod("a user agent is not empty", { userAgents: [""] }, "userAgents[0]", "at least 1 character"),
  badPod("a user agent breaks no header", { userAgents: ["a\nb"] }, "userAgents[0]", "visible ASCII"),
  badPod("33 user agents are too many", { userAgents: cidrs(33) }, "userAgents", "at most 32 entries"),
  badPod("the port is Sidegate's to choose", { port: 8443 }, "port", "unknown"),
];
