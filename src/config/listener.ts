/** Where a sidecar listens besides plain http on loopback, and whom it lets in there. Part of the contract. */
import * as z from "zod";

const pem = z.string().min(1).max(65_536);

/** Absent in a route: plain http on loopback, for any client. */
export const listenerSchema = z.strictObject({
  /** Loopback: the pod alone. Pod: the pod's own addresses as well, on a port of its own, with TLS only. */
  address: z.enum(["Loopback", "Pod"]),
  /** Pod: there nothing else is spoken. Loopback: besides plain http, on the same port. */
  tls: z.strictObject({ certificate: pem, key: pem, minVersion: z.enum(["TLSv1.2", "TLSv1.3"]) }).optional(),
  /** Strict-Transport-Security on answers over TLS: its max-age, in seconds. Absent: the header is not sent. */
  hstsSeconds: z.int().min(1).max(63_072_000).optional(),
  /** Pod: CIDRs that may connect. Empty: any. */
  sources: z.array(z.string().min(3).max(49)).max(64),
  /** Patterns of `user-agent`, `*` standing for any text; one must fit. Empty: any. */
  userAgents: z.array(z.string().min(1).max(128)).max(32),
});

/** Where a sidecar listens, decoded. */
export type ListenerConfig = z.infer<typeof listenerSchema>;
