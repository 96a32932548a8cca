/**
 * Why a caller's token or API key was refused: a closed set, one row each. The code begins the 401's message and is the metric's label;
 * the sentence says what it means and what to do. No row holds anything of a token. Where a row means the same as one of the pod's own
 * token (../identity/reasons.ts), it has the same code. docs/reference/caller-refusals.md is generated from it.
 */
export const callerReasons = {
  // where it stands in the request
  credential_missing: "The request carries neither an authorization nor an api-key header.",
  credential_doubled: "The request carries the same header twice.",
  credential_conflict: "The authorization and api-key headers hold different texts.",
  scheme_not_bearer: "The authorization header has another scheme than Bearer.",
  token_too_large: "The token is larger than 16 KiB.",
  token_not_text: "The header holds characters that no token and no key has, or two of them.",

  // its form
  not_a_jwt: "The text is no JWT: a placeholder or a provider's key was sent where this route wants a token.",
  token_malformed: "A part of the token is not base64url: it was changed on its way.",
  token_encrypted: "The token is encrypted (JWE, five parts): the issuer must sign it only.",
  signature_missing: "The token has no signature.",
  header_malformed: "The token's header is not a JSON object.",
  header_names_key:
    "The token's header carries a key or a certificate of its own (jwk, x5c, x5u), which is never used.",
  header_critical: "The token's header asks for something that must be understood (crit, b64) and is not.",
  header_type: "The token's header says that it is something else than a JWT or an access token.",
  algorithm_missing: "The token's header names no algorithm.",
  algorithm_none: "The token is not signed (alg none).",
  algorithm_symmetric: "The token is signed with a shared secret (HS...), which no issuer of this route does.",
  algorithm_unknown: "The token's algorithm is none that Sidegate knows.",
  algorithm_not_allowed: "The token's algorithm is not among those that the route takes (issuers[].algorithms).",
  kid_malformed: "The token's kid is no text, is empty, too long, or holds control characters.",

  // the keys
  kid_missing: "The token does not say which key signed it, and several of the issuer's keys fit its algorithm.",
  key_unknown: "The token is signed with a key that its issuer does not publish (yet).",
  key_ambiguous: "The issuer publishes two keys of that kid.",
  key_too_small: "The key is smaller than RSA 2048.",
  key_unusable: "The issuer's key of that kid is broken, private, or of a kind that signs no token.",
  key_not_for_signing: "The issuer's key of that kid is not for verifying signatures (use, key_ops).",
  algorithm_mismatch: "The token's algorithm is not the key's.",
  signature_invalid: "The signature is not the issuer's: the token was changed, or somebody else made it.",

  // who issued it, for whom, until when
  claims_malformed: "The token's payload is not a JSON object.",
  issuer_missing: "The token does not say who issued it (iss).",
  issuer_mismatch: "The token's issuer (iss) is none of this route's.",
  audience_missing: "The token does not say whom it is for (aud).",
  audience_malformed: "The token's audience (aud) is neither a text nor a list of texts.",
  audience_mismatch: "The token is for somebody else: none of its audiences is this route's.",
  expiry_missing: "The token has no end (exp).",
  expiry_malformed: "The token's end (exp) is no time.",
  token_expired: "The token has ended.",
  not_before_malformed: "The token's beginning (nbf) is no time.",
  token_not_yet_valid: "The token is not valid yet: do the clocks of the node and of the issuer agree?",
  issued_at_malformed: "The token's time of issue (iat) is no time.",
  issued_in_the_future: "The token was issued in the future: do the clocks of the node and of the issuer agree?",

  // whom it is of
  user_missing: "The token does not name its user (issuers[].claims.user).",
  user_malformed: "The token's user is no text, or holds control characters.",
  user_too_long: "The token's user has more than 256 characters.",
  user_reserved: "The token's user begins with system:, which is the cluster's own.",
  subject_not_a_service_account: "The cluster's token is not of a service account (sub).",
  tenant_malformed: "The token's tenant is no text, is empty, or holds control characters.",
  tenant_too_long: "The token's tenant has more than 256 characters.",
  tenant_reserved: "The token's tenant begins with system:, which is the cluster's own.",
  roles_malformed:
    "The token's roles are neither a text nor a list of texts, or one is empty or holds control characters.",
  roles_too_many: "The token has more than 256 roles.",
  roles_too_long: "One of the token's roles has more than 256 characters.",
  roles_reserved: "One of the token's roles begins with system:, which is the cluster's own.",
  groups_malformed:
    "The token's groups are neither a text nor a list of texts, or one is empty or holds control characters.",
  groups_too_many: "The token has more than 256 groups: let the issuer send those that concern this application only.",
  groups_too_long: "One of the token's groups has more than 256 characters.",
  groups_reserved: "One of the token's groups begins with system:, which is the cluster's own.",

  // API keys
  not_an_api_key:
    "The text is no API key of Sidegate's (sgk-ID-SECRET): a placeholder, a token or a provider's key was sent instead.",
  api_key_unknown: "There is no such API key: it was revoked, belongs to another route, or its secret is wrong.",
  api_key_not_yet_valid: "The API key is not valid yet.",
  api_key_expired: "The API key has expired.",
} as const;

/** Code of a refusal. */
export type CallerReason = keyof typeof callerReasons;

/** A refusal with its sentence, as a 401 says it. */
export const callerRefusalText = (reason: CallerReason): string =>
  `${reason}: ${callerReasons[reason].replace(/\.$/, "")}`;
