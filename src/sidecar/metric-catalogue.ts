/** Every metric of the sidecar, by name. */

/** Help sentences by name; docs/reference/metrics.md is generated from it. */
export const metricCatalogue = {
  gen_ai_client_token_usage: "Tokens of one call as the provider reported them, by type.",
  gen_ai_client_operation_duration_seconds: "From the request's arrival to the end of its answer.",
  gen_ai_client_operation_time_to_first_chunk_seconds: "From the request's arrival to the provider's first byte.",
  sidegate_requests_total: "Requests by endpoint, outcome and status class.",
  sidegate_refusals_total: "Answers of the sidecar's own by error code.",
  sidegate_requests_in_flight: "Requests that have not ended.",
  sidegate_upstream_attempts_total: "Calls to backends by result: answered, or the error code.",
  sidegate_quota_decisions_total:
    "Refused: a limit had no room. downgraded: the same, but another model served. spilled_over: the same for one backend, and another was asked. would_refuse: the same in mode Audit. not_counted: mode Audit, but the request met too many limits.",
  sidegate_quota_condition_errors_total:
    "Conditions of quotas that could not be told; the quota then counted the request.",
  sidegate_quota_charges_told_again:
    "Charges that this sidecar told Redis again since its start, because Redis had lost its last writes, or may have.",
  sidegate_quota_unenforced_total:
    "Requests that met an unreachable quota store, by what failurePolicy did: denied, allowed, local_admitted, local_refused.",
  sidegate_quota_ledger_entries:
    "Charges and running requests that were admitted by local share and are not in the quota store yet.",
  sidegate_quota_ledger_dropped_total:
    "Charges of local shares that were dropped: their window had ended when the quota store came back.",
  sidegate_quota_slice_claims_total:
    "Claims of Leased quotas by who decided: slice (this sidecar, from what it held), store, refusal (the store had just refused as much).",
  sidegate_quota_slice_refills_total: "Slices that were asked for.",
  sidegate_quota_slice_units_returned_total: "Units that were given back unused when a slice ended.",
  sidegate_quota_slices: "Slices that this sidecar admits from now.",
  sidegate_quota_settlements_pending: "Settlements that wait for the quota store.",
  sidegate_quota_settlements_dropped_total:
    "Settlements that were dropped, the oldest first, because too many waited: their holds expire at what they held.",
  sidegate_cache_lookups_total: "Exact cache look-ups by result.",
  sidegate_audit_failures_total: "Audit records that could not be written.",
  sidegate_store_up: "1: the shared store answers. 0: its breaker is open.",
  sidegate_listener_up:
    "1: it listens. 0: the config wants it, and it cannot be had. loopback, loopback_tls (TLS besides http), pod (for other pods).",
  sidegate_listener_certificate_expires_seconds:
    "Until the certificate in use ends; below 0: since. Absent: none is in use.",
  sidegate_listener_refusals_total:
    "Connections that never became a request: handshake (TLS failed), connections (too many from other pods).",
  sidegate_heartbeat_failures_total:
    "Heartbeats that could not be written; the operator then counts the pod as silent.",
  sidegate_credential_state:
    "Backends in which a credential is in a state: ready, rate_limited (429), unauthorized (401 when it was asked last), unavailable (no token).",
  sidegate_credential_rests_total: "Credentials that a provider refused (401) or slowed down (429), so that they rest.",
  sidegate_token_exchanges_total: "Exchanges of the pod's token for one of a provider, by result.",
  sidegate_token_expires_seconds: "Until the token of a credential ends; 0: it has.",
  sidegate_config_info: "1 for the config in force, by digest and policy version.",
  sidegate_config_reload_failures_total: "Configs that were refused; the last good one stays in force.",
  sidegate_identity_verified:
    "1: the pod's own token is verified, or was within a day and is signed with a key that is not known yet. 0: every request gets 403. Absent: there is no token to verify.",
  sidegate_identity_held: "1 while the identity is kept although the key of the token is not known.",
  sidegate_identity_refusals_total:
    "Looks at the pod's own token that did not verify it, by reason; at the start, at rotations, at new configs.",
  sidegate_caller_refusals_total: "Callers' tokens and API keys that were refused, by reason.",
  sidegate_issuer_keys_age_seconds:
    "Since the keys of an OIDC issuer were fetched; after a day they are not used any more.",
  sidegate_issuer_refreshes_total:
    "Fetches of an OIDC issuer's keys by result: ok, unavailable, timeout, answered (with another status than 200), invalid.",
  process_resident_memory_bytes: "Resident memory of the process.",
  process_cpu_seconds: "CPU time of the process, user and system.",
  nodejs_heap_size_used_bytes: "JavaScript heap in use.",
  nodejs_external_memory_bytes: "Memory outside the JavaScript heap: buffers.",
  nodejs_eventloop_utilization: "Share of its time that the event loop was busy, since the start.",
} as const;
/** A name of the catalogue. */
export type MetricName = keyof typeof metricCatalogue;
