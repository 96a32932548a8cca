/** Patterns of URLs that users write; they hold in RE2 and in JavaScript. */

const port = "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?";
/** Scheme, host, port, path: no user, no query, no fragment. */
export const endpointPattern = `^https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\\[[0-9A-Fa-f:]+\\])${port}(/[A-Za-z0-9._~%!$&()*+,;=:@/-]*)?$`;
/** An http URL of this machine. */
export const loopbackPattern = "^http://(localhost|127(\\.[0-9]{1,3}){3}|\\[::1\\])(:[0-9]{1,5})?(/.*)?$";
