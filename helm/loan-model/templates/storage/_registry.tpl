{{/* How a pod that runs `loan` reaches the registry: for training, which writes it, and scoring, which reads it. */}}
{{- define "loan-model.registryEnv" -}}
{{- include "loan-model.ociEnv" . }}
{{- if eq .Values.storage.type "bucket" }}
{{- include "loan-model.bucketEnv" . | nindent 0 }}
{{- end }}
{{- end }}

{{- define "loan-model.registryEnvFrom" -}}
{{- if eq .Values.storage.type "bucket" }}{{ include "loan-model.bucketEnvFrom" .Values.storage.bucket }}{{ end }}
{{- end }}

{{/* Call it with a dict of `root` and whether the registry's claim is mounted `readOnly`. */}}
{{- define "loan-model.registryMounts" -}}
{{- include "loan-model.versionsMounts" . }}
{{- include "loan-model.googleMount" .root.Values.storage.bucket }}
{{- if include "loan-model.hasBucketCa" .root }}
{{- include "loan-model.bucketCaMount" .root | nindent 0 }}
{{- end }}
{{- end }}

{{- define "loan-model.registryVolumes" -}}
{{- include "loan-model.versionsVolumes" . }}
{{- include "loan-model.googleVolume" .root.Values.storage.bucket }}
{{- if include "loan-model.hasBucketCa" .root }}
{{- include "loan-model.bucketCaVolume" .root | nindent 0 }}
{{- end }}
{{- end }}

{{/* The same where the registry is no bucket. */}}
{{- define "loan-model.versionsMounts" -}}
{{- if eq .root.Values.storage.type "pvc" }}
- name: registry
  mountPath: /registry
  {{- if .readOnly }}
  readOnly: true
  {{- end }}
{{- end }}
{{- if include "loan-model.hasOciSecret" .root }}
- name: oci
  mountPath: {{ include "loan-model.ociFolder" .root }}
  readOnly: true
{{- end }}
{{- end }}

{{- define "loan-model.versionsVolumes" -}}
{{- if eq .root.Values.storage.type "pvc" }}
- name: registry
  persistentVolumeClaim:
    claimName: {{ include "loan-model.claim" .root }}
    {{- if .readOnly }}
    readOnly: true
    {{- end }}
{{- end }}
{{- if include "loan-model.hasOciSecret" .root }}
{{- include "loan-model.ociVolume" .root | nindent 0 }}
{{- end }}
{{- end }}
