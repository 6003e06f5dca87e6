{{/* How training reaches the registry's bucket, beside what the Secret itself says. */}}
{{- define "loan-model.bucketEnv" -}}
{{- include "loan-model.bucketAccess" .Values.storage.bucket }}
{{- include "loan-model.bucketWay" (dict "root" .) }}
{{- end }}

{{/* Call it with the values of a bucket: `url`, `secret`, `endpoint`, `region` and `account`. */}}
{{- define "loan-model.bucketAccess" -}}
{{- $bucket := . -}}
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
{{- end }}

{{/*
The authorities and the proxy by which any bucket is reached. Call it with a dict of `root` and optionally `direct`, what
else is reached without the proxy.
*/}}
{{- define "loan-model.bucketWay" -}}
{{- if .root.Values.storage.bucket.caConfigMap.name }}
# Beside the public authorities, which the directory holds.
- name: SSL_CERT_FILE
  value: {{ include "loan-model.bucketCaFolder" . }}/cabundle.crt
- name: SSL_CERT_DIR
  value: /etc/ssl/certs
{{- end }}
{{- include "loan-model.proxyEnv" . }}
{{- end }}

{{- define "loan-model.proxyEnv" -}}
{{- $proxy := .root.Values.storage.bucket.proxy -}}
{{- $direct := list $proxy.noProxy .direct | compact | join "," -}}
{{- if or $proxy.http $proxy.https }}
{{- range $name, $value := dict "HTTP_PROXY" $proxy.http "HTTPS_PROXY" $proxy.https "NO_PROXY" $direct }}
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
{{- include "loan-model.proxyEnv" (dict "root" .) }}
{{- end }}

{{/* The Secret whose entries are variables; that of Google Cloud Storage holds a file. Call these as bucketAccess. */}}
{{- define "loan-model.bucketEnvFrom" -}}
{{- if and .secret (not (hasPrefix "gs://" .url)) -}}
- secretRef:
    name: {{ .secret }}
{{- end }}
{{- end }}

{{- define "loan-model.googleMount" -}}
{{- if and .secret (hasPrefix "gs://" .url) }}
- name: credentials
  mountPath: /credentials
  readOnly: true
{{- end }}
{{- end }}

{{- define "loan-model.googleVolume" -}}
{{- if and .secret (hasPrefix "gs://" .url) }}
- name: credentials
  secret:
    secretName: {{ .secret }}
{{- end }}
{{- end }}

{{/*
The account of pods that reach a bucket, if by workload identity. Call it with a dict of `root`, `name`, and for another
bucket than the registry's its `annotations`.
*/}}
{{- define "loan-model.bucketAccount" -}}
{{- $registry := eq .root.Values.storage.type "bucket" | ternary .root.Values.storage.bucket.serviceAccountAnnotations dict -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  labels:
    {{- include "loan-model.labels" .root | nindent 4 }}
  {{- with hasKey . "annotations" | ternary .annotations $registry }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
