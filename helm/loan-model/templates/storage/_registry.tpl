{{/* How a pod that runs `loan` reaches the registry: for training, which writes it, and scoring, which reads it. */}}
{{- define "loan-model.registryEnv" -}}
{{- if include "loan-model.hasOciSecret" . }}
- name: DOCKER_CONFIG
  value: {{ include "loan-model.ociFolder" . }}
{{- end }}
{{- if eq .Values.storage.type "bucket" }}
{{- include "loan-model.bucketEnv" . | nindent 0 }}
{{- end }}
{{- end }}

{{- define "loan-model.registryEnvFrom" -}}
{{- if eq .Values.storage.type "bucket" }}{{ include "loan-model.bucketEnvFrom" .Values.storage.bucket }}{{ end }}
{{- end }}

{{/* Call it with a dict of `root` and whether the registry's claim is mounted `readOnly`. */}}
{{- define "loan-model.registryMounts" -}}
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
{{- include "loan-model.googleMount" .root.Values.storage.bucket }}
{{- if include "loan-model.hasBucketCa" .root }}
{{- include "loan-model.bucketCaMount" .root | nindent 0 }}
{{- end }}
{{- end }}

{{- define "loan-model.registryVolumes" -}}
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
{{- include "loan-model.googleVolume" .root.Values.storage.bucket }}
{{- if include "loan-model.hasBucketCa" .root }}
{{- include "loan-model.bucketCaVolume" .root | nindent 0 }}
{{- end }}
{{- end }}
