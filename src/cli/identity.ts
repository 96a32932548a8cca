import { UsageFault } from "./usage.ts";

/** `NAMESPACE/NAME` of a service account. Throws UsageFault when it is not that. */
export function parseIdentity(text: string): { namespace: string; serviceAccount: string } {
  const match = /^([a-z0-9][a-z0-9-]{0,62})\/([a-z0-9][a-z0-9.-]{0,252})$/.exec(text);
  if (!match?.[1] || !match[2])
    throw new UsageFault(`--identity ${text}: must be NAMESPACE/NAME, such as default/default`);
  return { namespace: match[1], serviceAccount: match[2] };
}
