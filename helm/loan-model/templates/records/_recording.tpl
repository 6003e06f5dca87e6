{{/* What a server that records is given. */}}
{{- define "loan-model.recordingEnv" -}}
{{- $records := .Values.records -}}
{{- if $records.type }}
{{- include "loan-model.recordsEnv" (dict "root" . "secret" $records.bucket.secret) }}
- name: LOAN_RECORDS_SECONDS
  value: {{ $records.seconds | quote }}
{{- if $records.refused }}
- name: LOAN_LOG_REFUSED
  value: "true"
{{- end }}
{{- if $records.signing.secretName }}
- name: LOAN_RECORDS_SIGNING_KEY
  value: /records-signing/signing.key
{{- end }}
{{- end }}
{{- end }}

{{- define "loan-model.recordingMounts" -}}
{{- $records := .Values.records -}}
{{- include "loan-model.recordsMounts" (dict "root" . "secret" $records.bucket.secret) }}
{{- if $records.signing.secretName }}
- name: records-signing
  mountPath: /records-signing
  readOnly: true
{{- end }}
{{- end }}

{{- define "loan-model.recordingVolumes" -}}
{{- $records := .Values.records -}}
{{- include "loan-model.recordsVolumes" (dict "root" . "secret" $records.bucket.secret) }}
{{- with $records.signing.secretName }}
- name: records-signing
  secret:
    secretName: {{ . }}
{{- end }}
{{- end }}
