/** Where a quota's notifications go. A namespace's user names the URL, so the operator posts only to hosts that its own settings name. */
import type { AIQuota } from "../../api/aiquota.ts";
import type { NotifySpec } from "../../api/aiquota-notify.ts";
import { credentialLabel, hostsAnnotation, type SecretResource } from "../../api/secret.ts";
import { Secret } from "../../base/secret.ts";
import { hostAllowed } from "../../compile/credential.ts";

/** Characters of a URL. */
const urlCharsMax = 2048;

/** One that may be told. */
export interface Receiver {
  readonly type: NotifySpec["type"];
  readonly url: Secret;
}

/** Why one is not told. */
export interface ReceiverFault {
  readonly reason: "HostNotAllowed" | "URLNotUsable";
  /** Holds no part of the URL but its host. */
  readonly message: string;
}

/** The receivers of a quota. `hosts`: notifications.hosts of the chart; empty: nobody is told. */
export const receiversOf = (
  { spec }: AIQuota,
  secrets: readonly SecretResource[],
  hosts: readonly string[],
): { readonly receivers: readonly Receiver[]; readonly faults: readonly ReceiverFault[] } => {
  const receivers: Receiver[] = [];
  const faults: ReceiverFault[] = [];
  for (const notify of spec.notify ?? []) {
    const found = receiverOf(notify, secrets, hosts);
    if ("url" in found) receivers.push(found);
    else faults.push(found);
  }
  return { receivers, faults };
};

const receiverOf = (
  { type, urlSecretRef: { name, key }, insecure = false }: NotifySpec,
  secrets: readonly SecretResource[],
  hosts: readonly string[],
): Receiver | ReceiverFault => {
  const unusable = (message: string): ReceiverFault => ({ reason: "URLNotUsable", message });
  const secret = secrets.find((candidate) => candidate.name === name);
  if (secret?.labels[credentialLabel] !== "true")
    return unusable(`Secret ${name} does not exist, or lacks the label ${credentialLabel}: "true"`);
  const text = secret.values.get(key)?.reveal().trim();
  if (text === undefined) return unusable(`Secret ${name} has no key ${key}`);
  const url = URL.canParse(text) && text.length <= urlCharsMax ? new URL(text) : undefined;
  if (url === undefined || `${url.username}${url.password}` !== "")
    return unusable(
      `key ${key} of Secret ${name} must hold a URL without user and password, at most ${urlCharsMax} characters`,
    );
  if (url.protocol !== "https:" && !(url.protocol === "http:" && (insecure || isLoopback(url.hostname))))
    return unusable(`the URL in key ${key} of Secret ${name} must begin with https://, or set insecure: true for http`);
  if (!hostAllowed(url.host, hosts.join(",")))
    return {
      reason: "HostNotAllowed",
      message: `host ${url.host} is not in notifications.hosts of the chart's values; whoever runs Sidegate has to add it`,
    };
  const ownHosts = secret.annotations[hostsAnnotation];
  if (ownHosts !== undefined && !hostAllowed(url.host, ownHosts))
    return unusable(
      `Secret ${name} may not be sent to ${url.host}: its annotation ${hostsAnnotation} allows other hosts`,
    );
  return { type, url: new Secret(url.href) };
};

const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname);
