/** Where pods' tokens may go: the platform team's list, because whoever writes a route names the URL. */

/** Names of this machine: a token that goes there does not leave the pod. As URL.hostname has them. */
const loopbackPattern = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/;

/**
 * Whether the list holds the URL's host and port. `allowed`: `HOST` or `HOST:PORT`, no wildcards; one without a port stands for
 * the scheme's own. A loopback address is always allowed. An entry that is no host allows nothing.
 */
export const isTokenHostAllowed = ({ protocol, host, hostname }: URL, allowed: readonly string[]): boolean =>
  loopbackPattern.test(hostname) ||
  allowed.some((entry) => {
    const url = `${protocol}//${entry}`;
    return URL.canParse(url) && new URL(url).host === host;
  });
