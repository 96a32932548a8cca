/** Every condition that the status of a resource can have, with every reason and what it tells the user. */

/** Types of condition, each with what True tells. */
export const conditionTypes = {
  Accepted: "The resource is valid and in force.",
  ResolvedRefs: "All that it refers to was found and may be used.",
  Programmed: "Every live sidecar runs it.",
  CredentialsAccepted: "No provider refuses a credential; stands from the first refusal on.",
  WithinLimits: "No subject has reached a threshold or the end of a budget; of an AIQuota, in `status.conditions`.",
  Notified:
    "What the quota's `notify` names is told of thresholds; of an AIQuota that has `notify`, in `status.conditions`.",
} as const;
/** A type of condition. */
export type ConditionType = keyof typeof conditionTypes;

/** Reasons of each type; the one named like the type (or Programmed) stands with True, all others with False or Unknown. */
export const conditionReasons = {
  Accepted: {
    Accepted: "Nothing stands against it.",
    Invalid: "It contradicts itself or what it applies to; the message says what to change.",
    Conflicted: "An older route already serves this service account; the message names it.",
    TargetNotFound: "A target of the quota does not exist.",
    UnsupportedValue: "A value is well formed, but cannot be used here, such as a time zone that nobody knows.",
    QuotaNotEnforceable:
      "A quota of the route cannot be enforced, so the route refuses everything until that is mended.",
    AudienceNotProjected:
      "A credential needs a token that pods do not get; its audience is to be added to injection.tokenAudiences of the chart.",
    TokenHostNotAllowed:
      "A credential would send the pod's token to a host that injection.tokenHosts of the chart does not hold; it is not used.",
    ConfigTooLarge: "The compiled config does not fit into a Secret; the last one that did stays in force.",
  },
  ResolvedRefs: {
    ResolvedRefs: "Everything was found.",
    BackendNotFound: "A backendRef names a backend that the route does not have.",
    BackendInvalid: "The endpoint of a backend cannot be called.",
    SecretNotFound: "A Secret does not exist.",
    SecretKeyMissing: "The Secret has no such key.",
    SecretInvalid: "The value in the Secret is empty, too long, or holds characters that a header cannot carry.",
    SecretNotPermitted:
      "The Secret does not carry the label that permits its use, or its hosts annotation excludes the endpoint.",
    ServiceAccountNotFound: "The service account does not exist; the route waits for it.",
  },
  Programmed: {
    Programmed: "Every live sidecar has the current config.",
    PartiallyProgrammed: "Some live sidecars still have an older config.",
    Reconciling: "The config is being published.",
    HeartbeatMissing: "Live sidecars do not report.",
    QuotaStoreUnavailable: "Redis is away, so nobody can report.",
    ConfigRefused: "A live sidecar refused the config and keeps the last good one; the message says why.",
    IdentityRefused:
      "A live sidecar refuses every request, because its pod's token does not prove who it is; the message says why.",
    ListenerFailed:
      "A live sidecar runs the config, but does not listen as spec.listener says, such as a port that is taken; the message says why.",
    NotInForce: "Nothing runs it, because it is not accepted; the condition Accepted says why.",
  },
  CredentialsAccepted: {
    CredentialsAccepted: "No live sidecar has a credential that was refused when it was asked last.",
    CredentialRefused:
      "A provider answered 401 to a credential, which is used no more but for one try a minute; the message names it and the fix.",
  },
  WithinLimits: {
    WithinLimits: "Nobody is at a threshold.",
    ThresholdReached: "A subject has used as much as a threshold of `warnAt` names; the message says of what.",
    Exhausted: "A limit is spent: its requests are refused until the window ends, it is reset or raised.",
  },
  Notified: {
    Notified: "Nothing stands against it.",
    HostNotAllowed: "The host of the URL is not in notifications.hosts of the chart, so nothing is sent there.",
    URLNotUsable: "The Secret with the URL is missing, not permitted, or holds no https URL; the message says which.",
    DeliveryFailed: "The last notification did not arrive after all tries.",
  },
} as const;
/** A reason of any type. */
export type ConditionReason = {
  [Type in ConditionType]: keyof (typeof conditionReasons)[Type];
}[ConditionType];

/** A metav1.Condition but for its transition time, which the writer of the status adds. */
export interface Condition {
  readonly type: ConditionType;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: ConditionReason;
  readonly message: string;
  /** Generation of the resource that was judged; absent where the resource has none (a file). */
  readonly observedGeneration?: number;
}
