/**
 * Why a workload's identity is refused: a closed set, one row each. The code is what /status, the 403, the metric's label, the log and
 * the route's status carry; the sentence says what it means and what to do. No row holds anything of a token.
 * docs/reference/identity-refusals.md is generated from it.
 */
export const identityReasons = {
  // the settings and the config
  not_verified_yet: "The token has not been looked at yet.",
  identity_not_configured:
    "The pod has a token, but the config says nothing about how to verify it: the operator is older than the sidecar, or has not read the cluster's keys.",
  token_not_mounted:
    "The config wants a token, but the sidecar was given none (SIDEGATE_TOKEN_FILE): restart the pod, so that it is injected anew.",
  config_of_another_workload: "The config is for another service account.",
  not_a_parent: "The pod picked an AIRoute whose parentRefs do not name its service account.",

  // the file
  token_missing: "The token file does not exist.",
  token_unreadable: "The token file cannot be read.",
  token_empty: "The token file is empty.",
  token_too_large: "The token is larger than any that Kubernetes issues.",
  token_not_text: "The token file holds bytes that no token has.",

  // its form
  token_malformed: "It is not a token of three parts: it was cut, or is something else.",
  signature_missing: "The token has no signature.",
  header_malformed: "The token's header is not a JSON object.",
  header_names_key: "The token's header names or carries a key of its own (jku, jwk, x5u, x5c), which is never used.",
  header_critical: "The token's header asks for something that must be understood (crit, b64) and is not.",
  header_type: "The token's header says that it is something else than a JWT.",
  algorithm_missing: "The token's header names no algorithm.",
  algorithm_none: "The token is not signed (alg none).",
  algorithm_symmetric: "The token is signed with a shared secret (HS...), which no cluster does.",
  algorithm_not_allowed: "The token's algorithm is none of RS256, ES256, ES384, ES512.",
  kid_missing: "The token's header does not say which key signed it.",
  kid_malformed: "The token's kid is a path, a URL or no text at all.",

  // the keys
  keys_missing: "The config holds no key.",
  key_unknown: "The token is signed with a key that the config does not hold (yet).",
  key_ambiguous: "The config holds two keys of that kid.",
  key_too_small: "The key is smaller than RSA 2048.",
  key_unusable: "The key in the config is broken.",
  algorithm_mismatch: "The token's algorithm is not the key's.",
  signature_invalid: "The signature is not the cluster's: the token was changed, or another cluster issued it.",

  // what it says
  claims_malformed: "The token's payload is not a JSON object.",
  issuer_missing: "The token does not say who issued it (iss).",
  issuer_mismatch: "Another issuer issued the token: another cluster, or an issuer that was renamed.",
  audience_missing: "The token does not say whom it is for (aud).",
  audience_malformed: "The token's audience (aud) is neither a text nor a list of texts.",
  audience_mismatch: "The token is for somebody else: its audience is not Sidegate's.",
  expiry_missing: "The token has no end (exp).",
  expiry_malformed: "The token's end (exp) is no time.",
  token_expired: "The token has ended: the kubelet has not renewed it, or it is an old copy.",
  not_before_missing: "The token has no beginning (nbf).",
  not_before_malformed: "The token's beginning (nbf) is no time.",
  token_not_yet_valid: "The token is not valid yet: do the clocks of the node and of the API server agree?",
  issued_at_missing: "The token does not say when it was issued (iat).",
  issued_at_malformed: "The token's time of issue (iat) is no time.",
  issued_in_the_future: "The token was issued in the future: do the clocks of the node and of the API server agree?",
  subject_missing: "The token has no subject (sub).",
  subject_mismatch: "The token's subject (sub) is not this pod's service account.",
  kubernetes_missing: "The token says nothing of Kubernetes (kubernetes.io): no API server of today issued it.",
  namespace_missing: "The token names no namespace.",
  namespace_mismatch: "The token is of another namespace.",
  service_account_missing: "The token names no service account.",
  service_account_mismatch: "The token is of another service account.",
  service_account_uid_missing: "The token does not say which service account of that name it is of (uid).",
  bound_to_secret: "The token is bound to a Secret, not to this pod.",
  bound_to_node: "The token is bound to a node, not to this pod.",
  not_bound_to_a_pod: "The token is bound to no pod.",
  pod_name_missing: "The token is bound to a pod without a name.",
  pod_name_mismatch: "The token was issued for another pod.",
  pod_uid_missing: "The token is bound to a pod without a uid.",
  pod_uid_mismatch: "The token was issued for an earlier or another pod of this name.",
} as const;

/** Code of a refusal. */
export type IdentityReason = keyof typeof identityReasons;

/** A refusal with its sentence, as a 403, the log and the heartbeat say it. `detail` is ours, never a token's. */
export const refusalText = (reason: IdentityReason, detail = ""): string => {
  const sentence = identityReasons[reason].replace(/\.$/, "");
  return `${reason}: ${sentence}${detail && ` (${detail})`}`;
};
