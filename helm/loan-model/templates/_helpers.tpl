{{- define "loan-model.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* KServe and Jobs append up to 23 characters, and a label holds 63. */}}
{{- define "loan-model.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := include "loan-model.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "loan-model.selectorLabels" -}}
app.kubernetes.io/name: {{ include "loan-model.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "loan-model.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "loan-model.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "loan-model.serverImage" -}}
{{ .Values.image.server.repository }}:{{ .Values.image.server.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "loan-model.trainingImage" -}}
{{ .Values.image.training.repository }}:{{ .Values.image.training.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "loan-model.rolloutImage" -}}
{{ .Values.image.rollout.repository }}:{{ .Values.image.rollout.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "loan-model.sparkImage" -}}
{{ .Values.image.spark.repository }}:{{ .Values.image.spark.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "loan-model.podSecurityContext" -}}
{{- toYaml .Values.podSecurityContext }}
{{- end }}

{{- define "loan-model.securityContext" -}}
{{- toYaml .Values.securityContext }}
{{- end }}

{{- define "loan-model.claim" -}}
{{ .Values.storage.pvc.existingClaim | default (printf "%s-registry" (include "loan-model.fullname" .)) }}
{{- end }}

{{/* The registry as training sees it. */}}
{{- define "loan-model.registry" -}}
{{- if eq .Values.storage.type "bucket" }}{{ .Values.storage.bucket.url | trimSuffix "/" }}
{{- else if eq .Values.storage.type "oci" }}oci://{{ .Values.storage.oci.repository }}
{{- else }}/registry
{{- end }}
{{- end }}

{{/* The registry as KServe names it; it knows Azure by the account's host name. */}}
{{- define "loan-model.storageUri" -}}
{{- $bucket := .Values.storage.bucket }}
{{- if eq .Values.storage.type "pvc" }}pvc://{{ include "loan-model.claim" . }}
{{- else if eq .Values.storage.type "oci" }}{{ .Values.storage.oci.imageVolume | ternary "oci+native" "oci" }}://{{ .Values.storage.oci.repository }}
{{- else if hasPrefix "az://" $bucket.url }}https://{{ $bucket.account }}.blob.core.windows.net/{{ $bucket.url | trimPrefix "az://" | trimSuffix "/" }}
{{- else }}{{ $bucket.url | trimSuffix "/" }}
{{- end }}
{{- end }}

{{/* Whether a version is served: by these values, or by the rollout's controller. */}}
{{- define "loan-model.serves" -}}
{{- if or .Values.stable.version .Values.rollout.controller.enabled }}true{{ end -}}
{{- end }}

{{/* The names of the InferenceServices, as a list for a label selector. */}}
{{- define "loan-model.services" -}}
{{- $name := include "loan-model.fullname" . -}}
{{- $names := list $name -}}
{{- if eq .Values.mode "Knative" -}}
{{- if .Values.knative.grpc }}{{ $names = append $names (printf "%s-grpc" $name) }}{{ end -}}
{{- else if or .Values.canary.version .Values.rollout.controller.enabled -}}
{{- $names = append $names (printf "%s-canary" $name) -}}
{{- end -}}
[{{ join ", " $names }}]
{{- end }}

{{/* The name of the chart's Service in the namespace of Knative's ingress, which other releases use as well. */}}
{{- define "loan-model.knativeIngress" -}}
{{- printf "%s-%s" (include "loan-model.fullname" .) .Release.Namespace | trunc 63 | trimSuffix "-" }}
{{- end }}
