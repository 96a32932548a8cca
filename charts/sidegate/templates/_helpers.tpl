{{/* Name that every object of the release starts with, at most 40 characters, so that suffixes fit into 63. */}}
{{- define "sidegate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selectors match; add app.kubernetes.io/component. Never changes for a release. */}}
{{- define "sidegate.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "sidegate.labels" -}}
{{ include "sidegate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Labels of the operator's pods: the selector of its Deployment, Services and policies. */}}
{{- define "sidegate.operatorLabels" -}}
{{ include "sidegate.selectorLabels" . }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* The one image: operator, sidecar and command line. */}}
{{- define "sidegate.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "sidegate.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (printf "%s-operator" (include "sidegate.fullname" .)) -}}
{{- end -}}

{{- define "sidegate.leaseName" -}}
{{- printf "%s-operator" (include "sidegate.fullname" .) -}}
{{- end -}}

{{- define "sidegate.keyringName" -}}
{{- printf "%s-keyring" (include "sidegate.fullname" .) -}}
{{- end -}}

{{/* Secret with the webhook's CA and serving certificate. */}}
{{- define "sidegate.webhookSecretName" -}}
{{- printf "%s-webhook" (include "sidegate.fullname" .) -}}
{{- end -}}

{{- define "sidegate.redisName" -}}
{{- printf "%s-redis" (include "sidegate.fullname" .) -}}
{{- end -}}

{{/* Secret with the Redis URLs: the user's, or the one of the chart. */}}
{{- define "sidegate.redisSecretName" -}}
{{- if .Values.redis.embedded.enabled -}}
{{- include "sidegate.redisName" . -}}
{{- else -}}
{{- .Values.redis.external.existingSecret | default (include "sidegate.redisName" .) -}}
{{- end -}}
{{- end -}}

{{/* Pod security of every pod of the chart: the restricted standard. */}}
{{- define "sidegate.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 14100
runAsGroup: 14100
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "sidegate.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Settings that are not secret; src/operator/settings.ts reads them. */}}
{{- define "sidegate.operatorSettings" -}}
{{- $name := include "sidegate.fullname" . -}}
{{- $injection := dict
      "image" (.Values.injection.image | default (include "sidegate.image" .))
      "imagePullPolicy" (.Values.injection.imagePullPolicy | default .Values.image.pullPolicy)
      "imageOverrides" .Values.injection.imageOverrides
      "tokenAudiences" .Values.injection.tokenAudiences
      "tokenHosts" .Values.injection.tokenHosts
      "tokenSeconds" .Values.injection.tokenSeconds
      "resources" .Values.injection.resources
      "logLevel" .Values.injection.logLevel
      "client" .Values.injection.client -}}
{{- $webhook := dict
      "port" 9443
      "service" (printf "%s-webhook" $name)
      "mutating" $name
      "validating" $name
      "secret" (include "sidegate.webhookSecretName" .)
      "certificates" .Values.webhook.certificates -}}
{{- $users := ternary "Managed" .Values.redis.external.users .Values.redis.embedded.enabled -}}
{{- dict
      "watchNamespaces" .Values.watchNamespaces
      "deployment" (printf "%s-operator" $name)
      "injection" $injection
      "redis" (dict "users" $users)
      "webhook" $webhook
      "leaderElection" (merge (dict "lease" (include "sidegate.leaseName" .)) .Values.operator.leaderElection)
      "keyring" (merge (dict "secret" (include "sidegate.keyringName" .)) .Values.keyring)
      "notifications" .Values.notifications
      "adminPort" 8080
      "logLevel" .Values.operator.logLevel
    | toPrettyJson -}}
{{- end -}}

{{/* Environment of every pod that runs the operator's code. */}}
{{- define "sidegate.operatorEnv" -}}
- name: SIDEGATE_SETTINGS
  value: /etc/sidegate/operator.json
- name: SIDEGATE_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: SIDEGATE_POD
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: SIDEGATE_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "sidegate.redisSecretName" . }}
      key: {{ include "sidegate.redisURLKey" . }}
- name: SIDEGATE_SIDECAR_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "sidegate.redisSecretName" . }}
      key: {{ include "sidegate.redisSidecarURLKey" . }}
      {{- if or .Values.redis.embedded.enabled (ne .Values.redis.external.users "Given") }}
      optional: true
      {{- end }}
{{- if and (not .Values.redis.embedded.enabled) .Values.redis.external.caSecret.name }}
- name: SIDEGATE_REDIS_CA_FILE
  value: /etc/sidegate-redis-ca/ca.crt
{{- end }}
{{- end -}}

{{- define "sidegate.redisURLKey" -}}
{{- if and (not .Values.redis.embedded.enabled) .Values.redis.external.existingSecret -}}
{{- .Values.redis.external.urlKey -}}
{{- else -}}
url
{{- end -}}
{{- end -}}

{{- define "sidegate.redisSidecarURLKey" -}}
{{- if and (not .Values.redis.embedded.enabled) .Values.redis.external.existingSecret -}}
{{- .Values.redis.external.sidecarURLKey -}}
{{- else -}}
sidecar-url
{{- end -}}
{{- end -}}

{{- define "sidegate.operatorMounts" -}}
- name: settings
  mountPath: /etc/sidegate
  readOnly: true
{{- if and (not .Values.redis.embedded.enabled) .Values.redis.external.caSecret.name }}
- name: redis-ca
  mountPath: /etc/sidegate-redis-ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "sidegate.operatorVolumes" -}}
- name: settings
  configMap:
    name: {{ include "sidegate.fullname" . }}-operator
{{- if and (not .Values.redis.embedded.enabled) .Values.redis.external.caSecret.name }}
- name: redis-ca
  secret:
    secretName: {{ .Values.redis.external.caSecret.name }}
    items:
      - key: {{ .Values.redis.external.caSecret.key }}
        path: ca.crt
{{- end }}
{{- end -}}

{{/* Empty without pull Secrets. */}}
{{- define "sidegate.imagePullSecrets" -}}
{{- with .Values.imagePullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}
