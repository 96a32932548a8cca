/** From `spec.listener` to where a sidecar listens. What cannot be used narrows it: without TLS nobody connects from elsewhere. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { createSecureContext } from "node:tls";
import type { ListenerSpec } from "../api/airoute-listener.ts";
import { durationMs } from "../api/duration.ts";
import type { SecretResource } from "../api/secret.ts";
import { type ListenerConfig, listenerSchema } from "../config/listener.ts";
import { permittedSecret, refFault, type SecretInput, type SpecFault } from "./secret.ts";

/** What listeners are compiled with. `nowMs`: since the epoch; absent: not known, so no certificate is judged by its times. */
export interface ListenerInput extends SecretInput {
  readonly nowMs?: number | undefined;
}

/** Where to listen, and what stands against it. `listener` is absent where the route does not say. */
export interface CompiledListener {
  readonly listener?: ListenerConfig;
  readonly faults: readonly SpecFault[];
}

type Tls = NonNullable<ListenerConfig["tls"]>;

/** Never throws. A certificate whose time is over stays: clients refuse it, and nobody else is let in by it. */
export const compileListener = (spec: ListenerSpec | undefined, input: ListenerInput): CompiledListener => {
  if (!spec) return { faults: [] };
  const { tls, faults: tlsFaults } = compileTls(spec.tls, input);
  const sources = spec.sources.filter(isCidr);
  const faults = [...tlsFaults, ...spec.sources.flatMap(sourceFault)];
  // An empty list would let everybody in, where the route names some.
  const isOpen = spec.address === "Pod" && tls !== undefined && (sources.length > 0 || spec.sources.length === 0);
  const listener: ListenerConfig = {
    address: isOpen ? "Pod" : "Loopback",
    ...(tls && { tls }),
    ...(tls && spec.hsts && { hstsSeconds: Math.floor(durationMs(spec.hsts.maxAge) / 1000) }),
    sources: isOpen ? sources : [],
    userAgents: spec.userAgents,
  };
  return { listener, faults };
};

const sourceFault = (cidr: string, index: number): SpecFault[] => {
  if (isCidr(cidr)) return [];
  const message = `${cidr} is no CIDR: write an address and the length of its prefix, at most 32 for IPv4 and 128 for IPv6, such as 10.0.0.0/8`;
  const path = ["listener", "sources", index];
  return [{ ...refFault("UnsupportedValue", message, path), type: "Accepted" }];
};

const isCidr = (text: string): boolean => {
  const [address = "", prefix = "", more] = text.split("/");
  const family = isIP(address);
  return (
    more === undefined && family !== 0 && /^[0-9]{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128)
  );
};

const tlsPath = ["listener", "tls", "secretRef", "name"];

const compileTls = (
  spec: ListenerSpec["tls"],
  input: ListenerInput,
): { readonly tls?: Tls; readonly faults: readonly SpecFault[] } => {
  if (!spec) return { faults: [] };
  const found = permittedSecret(spec.secretRef.name, tlsPath, input);
  const fault = "fault" in found ? found.fault : undefined;
  const read = "secret" in found ? readPair(found.secret, input.nowMs) : { faults: [] };
  const faults = [...(fault ? [fault] : []), ...read.faults].map((each) =>
    read.pair ? each : { ...each, message: `${each.message}; until it can be used TLS is not spoken` },
  );
  return { ...(read.pair && { tls: { ...read.pair, minVersion: `TLSv${spec.minVersion}` as const } }), faults };
};

type Pair = Pick<Tls, "certificate" | "key">;

/** Never a word of OpenSSL's: it may quote what it read. */
const readPair = (
  { name, values }: SecretResource,
  nowMs: number | undefined,
): { readonly pair?: Pair; readonly faults: readonly SpecFault[] } => {
  const certificate = values.get("tls.crt")?.reveal();
  const key = values.get("tls.key")?.reveal();
  const missing = certificate === undefined ? "tls.crt" : key === undefined ? "tls.key" : undefined;
  if (certificate === undefined || key === undefined)
    return { faults: [refFault("SecretKeyMissing", `Secret ${name} has no key ${missing}`, tlsPath)] };
  const invalid = (what: string) => ({
    faults: [refFault("SecretInvalid", `Secret ${name}: ${what}`, tlsPath)],
  });
  const leaf = attempt(() => new X509Certificate(certificate));
  if (!leaf) return invalid("tls.crt is no certificate in PEM");
  const privateKey = attempt(() => createPrivateKey(key));
  if (!privateKey) return invalid("tls.key is no private key in PEM without a passphrase");
  if (!leaf.checkPrivateKey(privateKey)) return invalid("tls.key does not belong to the first certificate of tls.crt");
  const pair = { certificate, key };
  const { tls } = listenerSchema.shape;
  const isTaken = tls.safeParse({ ...pair, minVersion: "TLSv1.2" }).success;
  if (!isTaken) return invalid("tls.crt and tls.key may have 65536 characters each");
  if (!attempt(() => createSecureContext({ cert: certificate, key })))
    return invalid("TLS takes no such certificate: a key of the chain is too small, or the chain is broken");
  return { pair, faults: nowMs === undefined ? [] : timeFaults(leaf, name, nowMs) };
};

const timeFaults = ({ validFromDate, validToDate }: X509Certificate, name: string, nowMs: number): SpecFault[] => {
  const isOver = validToDate.getTime() < nowMs;
  if (!isOver && validFromDate.getTime() <= nowMs) return [];
  const what = isOver ? `ended at ${validToDate.toISOString()}` : `begins at ${validFromDate.toISOString()}`;
  const message = `Secret ${name}: the certificate of tls.crt ${what}, so clients refuse it; renew it`;
  return [refFault("SecretInvalid", message, tlsPath)];
};

const attempt = <Value>(make: () => Value): Value | undefined => {
  try {
    return make();
  } catch {
    return undefined;
  }
};
