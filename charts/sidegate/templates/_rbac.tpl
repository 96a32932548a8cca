{{/* Rights in each namespace that is watched. docs/rbac.md says why, row by row; a test compares the two. */}}
{{- define "sidegate.workloadRules" -}}
- apiGroups: [sidegate.dev]
  resources: [airoutes, aiquotas]
  verbs: [list, watch]
- apiGroups: [sidegate.dev]
  resources: [airoutes/status, aiquotas/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [serviceaccounts, pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* Where every namespace is watched: their labels, for quotas over namespaces. */}}
{{- define "sidegate.namespaceRules" -}}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
{{- end -}}

{{/* Rights on objects of the cluster, each by name. */}}
{{- define "sidegate.clusterRules" -}}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [airoutes.sidegate.dev, aiquotas.sidegate.dev]
  verbs: [get]
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations, validatingwebhookconfigurations]
  resourceNames: [{{ include "sidegate.fullname" . }}]
  verbs: [get{{ if eq .Values.webhook.certificates "Own" }}, patch{{ end }}]
{{- end -}}

{{/* Rights in the operator's own namespace. */}}
{{- define "sidegate.ownRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "sidegate.leaseName" . }}]
  verbs: [get, update]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "sidegate.keyringName" . }}, {{ include "sidegate.webhookSecretName" . }}]
  verbs: [get, update]
- apiGroups: [apps]
  resources: [deployments]
  resourceNames: [{{ include "sidegate.fullname" . }}-operator]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* Rights of the hook that cleans up before the chart goes: it stops the operator, or that would make the users anew. */}}
{{- define "sidegate.cleanupRules" -}}
- apiGroups: [apps]
  resources: [deployments]
  resourceNames: [{{ include "sidegate.fullname" . }}-operator]
  verbs: [get, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
{{- end -}}

{{/* Rights of the hook that waits for the webhook: it asks by a dry run, and leaves nothing behind. */}}
{{- define "sidegate.startupRules" -}}
- apiGroups: [sidegate.dev]
  resources: [airoutes]
  verbs: [create]
{{- end -}}

{{/* Rights of helm test, which runs `sidegate check`: on objects of the cluster ... */}}
{{- define "sidegate.checkClusterRules" -}}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  verbs: [get]
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations, validatingwebhookconfigurations]
  verbs: [get]
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingadmissionpolicies, validatingadmissionpolicybindings]
  verbs: [list]
{{- end -}}

{{/* ... in each namespace that is watched ... */}}
{{- define "sidegate.checkWorkloadRules" -}}
- apiGroups: [sidegate.dev]
  resources: [airoutes, aiquotas]
  verbs: [list]
- apiGroups: [""]
  resources: [secrets]
  verbs: [list]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, create]
{{- end -}}

{{/* ... and in the operator's own. */}}
{{- define "sidegate.checkOwnRules" -}}
- apiGroups: [apps]
  resources: [deployments]
  verbs: [list]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
- apiGroups: [""]
  resources: [configmaps, secrets, pods/proxy]
  verbs: [get]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get]
{{- end -}}

{{/* A binding's subject: the service account by name. Takes (list NAME $). */}}
{{- define "sidegate.subject" -}}
- kind: ServiceAccount
  name: {{ index . 0 }}
  namespace: {{ (index . 1).Release.Namespace }}
{{- end -}}

{{- define "sidegate.cleanupHook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{- define "sidegate.startupHook" -}}
helm.sh/hook: post-install,post-upgrade
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{- define "sidegate.checkHook" -}}
helm.sh/hook: test
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
