/** What `sidegate run --issuer` prints: how to get tokens, and how a route takes them. */

/** `url`: where the issuer listens. */
export const issuerGuide = (
  url: string,
): string => `The local issuer on ${url} gives any token to anybody on this machine. Its keys are gone when it ends.

  curl -s '${url}/token?sub=alice&aud=support&roles=admin&groups=a,b&tenant=acme&expires=10m'
  curl -s '${url}/token' -G --data-urlencode 'claims={"realm_access":{"roles":["admin"]}}'
  curl -s '${url}/cluster/token?serviceAccount=default/other&aud=support'      of another pod, for type: Cluster
  curl -s -X POST ${url}/rotate                 a new key signs; ?forget: the old ones are not published any more

In a route:  identity: {require: Bearer, issuers: [{issuer: "${url}", audiences: [support], claims: {roles: roles}}]}
             identity: {require: Bearer, issuers: [{type: Cluster, audiences: [support]}]}
This workload has proven its identity with a token of ${url}/cluster, and has tokens for workload identity.
`;
