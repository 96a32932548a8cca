/** Where the sidecars of a route listen, and whom they let in. */
import { z } from "zod";
import { durationSchema } from "./duration.ts";
import { objectName } from "./object.ts";
import { type CrossFieldRule, uniqueScalars, withRules } from "./rules.ts";

/** An address and a prefix length, IPv4 or IPv6; whether it is a real one is asked besides. */
const cidrPattern = /^([0-9]{1,3}(\.[0-9]{1,3}){3}\/[0-9]{1,2}|[0-9A-Fa-f:.]{2,45}\/[0-9]{1,3})$/;

const shape = z.strictObject({
  address: z
    .enum(["Loopback", "Pod"])
    .default("Loopback")
    .describe(
      "Loopback: only the pod itself can connect. Pod: other pods as well, on port 15102, by TLS only; then `identity.require` must be Bearer or APIKey.",
    ),
  tls: z
    .strictObject({
      secretRef: z
        .strictObject({ name: objectName().describe("Secret of type kubernetes.io/tls.") })
        .describe(
          'Secret in the route\'s namespace with `tls.crt` and `tls.key`, and the label `sidegate.dev/credential: "true"`.',
        ),
      minVersion: z.enum(["1.2", "1.3"]).default("1.2").describe("Oldest version of TLS."),
    })
    .optional()
    .describe(
      "Certificate of the sidecars; a new one is used for new connections within seconds. Required for address Pod. With Loopback TLS is spoken besides plain http on the same port, for clients that insist on it.",
    ),
  hsts: z
    .strictObject({ maxAge: durationSchema({ min: "1s", max: "17520h" }).describe("How long clients use https only.") })
    .optional()
    .describe("Sends Strict-Transport-Security over TLS. Needs `tls`."),
  sources: uniqueScalars(
    z
      .array(z.string().min(3).max(49).regex(cidrPattern, { error: "must be a CIDR, such as 10.0.0.0/8 or fd00::/8" }))
      .max(64),
  )
    .default([])
    .describe("CIDRs that may connect to address Pod. Empty: any."),
  userAgents: uniqueScalars(
    z
      .array(
        z
          .string()
          .min(1)
          .max(128)
          .regex(/^[ -~]+$/, { error: "must be visible ASCII; * stands for any text" }),
      )
      .max(32),
  )
    .default([])
    .describe(
      "Patterns of the `user-agent` header, such as `OpenAI/Python *`. Empty: any. A client can send what it likes.",
    ),
});

type ListenerShape = z.output<typeof shape>;

const rules: readonly CrossFieldRule<ListenerShape>[] = [
  {
    cel: "self.address != 'Pod' || has(self.tls)",
    message: "is required for address Pod",
    path: "tls",
    check: ({ address, tls }) => address !== "Pod" || tls !== undefined,
  },
  {
    cel: "!has(self.hsts) || has(self.tls)",
    message: "needs tls",
    path: "hsts",
    check: ({ hsts, tls }) => hsts === undefined || tls !== undefined,
  },
  {
    cel: "self.address == 'Pod' || !has(self.sources) || size(self.sources) == 0",
    message: "belongs to address Pod only",
    path: "sources",
    check: ({ address, sources }) => address === "Pod" || sources.length === 0,
  },
];

/** `spec.listener` of a route. */
export const listenerSchema = withRules(shape, rules);
/** `spec.listener`, defaults filled in. */
export type ListenerSpec = z.output<typeof listenerSchema>;
