{{/* How training reaches the bucket, beside what the Secret itself says. */}}
{{- define "loan-model.bucketEnv" -}}
{{- $bucket := .Values.storage.bucket -}}
{{- if hasPrefix "s3://" $bucket.url }}
{{- with $bucket.endpoint }}
- name: AWS_ENDPOINT_URL
  value: {{ . }}
{{- end }}
{{- with $bucket.region }}
- name: AWS_REGION
  value: {{ . }}
{{- end }}
{{- else if hasPrefix "gs://" $bucket.url }}
{{- if $bucket.secret }}
- name: GOOGLE_APPLICATION_CREDENTIALS
  value: /credentials/gcloud-application-credentials.json
{{- end }}
{{- else }}
- name: AZURE_STORAGE_ACCOUNT_NAME
  value: {{ $bucket.account }}
{{- if $bucket.secret }}
{{- range tuple "CLIENT_ID" "CLIENT_SECRET" "TENANT_ID" }}
- name: AZURE_{{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ $bucket.secret }}
      key: AZ_{{ . }}
      optional: true
{{- end }}
{{- end }}
{{- end }}
{{- if $bucket.caConfigMap.name }}
# Beside the public authorities, which the directory holds.
- name: SSL_CERT_FILE
  value: {{ include "loan-model.bucketCaFolder" . }}/cabundle.crt
- name: SSL_CERT_DIR
  value: /etc/ssl/certs
{{- end }}
{{- include "loan-model.proxyEnv" . }}
{{- end }}

{{- define "loan-model.proxyEnv" -}}
{{- $proxy := .Values.storage.bucket.proxy -}}
{{- if or $proxy.http $proxy.https }}
{{- range $name, $value := dict "HTTP_PROXY" $proxy.http "HTTPS_PROXY" $proxy.https "NO_PROXY" $proxy.noProxy }}
{{- if $value }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Whether pods are given authorities of the bucket's. */}}
{{- define "loan-model.hasBucketCa" -}}
{{- if and (eq .Values.storage.type "bucket") .Values.storage.bucket.caConfigMap.name }}true{{ end }}
{{- end }}

{{- define "loan-model.bucketCaFolder" -}}
/etc/bucket-ca
{{- end }}

{{- define "loan-model.bucketCaVolume" -}}
- name: bucket-ca
  configMap:
    name: {{ .Values.storage.bucket.caConfigMap.name }}
    items:
      # The name by which KServe looks for it.
      - {key: {{ .Values.storage.bucket.caConfigMap.key }}, path: cabundle.crt}
{{- end }}

{{- define "loan-model.bucketCaMount" -}}
- name: bucket-ca
  mountPath: {{ include "loan-model.bucketCaFolder" . }}
  readOnly: true
{{- end }}

{{/*
The ClusterStorageContainer that the storage initializer is like; empty where KServe picks one by the URL. An
InferenceService has no fields for the initializer's environment and mounts.
*/}}
{{- define "loan-model.storageContainer" -}}
{{- $bucket := .Values.storage.bucket -}}
{{- if eq .Values.storage.type "bucket" -}}
{{- if $bucket.storageContainer }}{{ $bucket.storageContainer }}
{{- else if include "loan-model.makesStorageContainer" . }}{{ include "loan-model.clusterName" . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "loan-model.makesStorageContainer" -}}
{{- $bucket := .Values.storage.bucket -}}
{{- if and (eq .Values.storage.type "bucket") (not $bucket.storageContainer) (or $bucket.caConfigMap.name $bucket.proxy.http $bucket.proxy.https) }}true{{ end }}
{{- end }}

{{- define "loan-model.initializerEnv" -}}
{{- if include "loan-model.hasBucketCa" . }}
- name: CA_BUNDLE_CONFIGMAP_NAME
  value: {{ .Values.storage.bucket.caConfigMap.name }}
- name: CA_BUNDLE_VOLUME_MOUNT_POINT
  value: {{ include "loan-model.bucketCaFolder" . }}
{{- end }}
{{- include "loan-model.proxyEnv" . }}
{{- end }}

{{/* The account of pods that reach the bucket, if by workload identity. Call it with a dict of `root` and `name`. */}}
{{- define "loan-model.bucketAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  labels:
    {{- include "loan-model.labels" .root | nindent 4 }}
  {{- if eq .root.Values.storage.type "bucket" }}
  {{- with .root.Values.storage.bucket.serviceAccountAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
