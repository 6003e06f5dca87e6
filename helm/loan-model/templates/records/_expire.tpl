{{- define "loan-model.expireSecret" -}}
{{ .Values.records.expire.secret | default .Values.records.bucket.secret }}
{{- end }}

{{- define "loan-model.expireEnv" -}}
- name: LOAN_RECORDS_DAYS
  value: {{ .Values.records.expire.days | int | quote }}
# By which its audit lines go.
- name: LOGNAME
  value: system:serviceaccount:{{ .Release.Namespace }}:{{ include "loan-model.fullname" . }}-expire
{{- include "loan-model.recordsEnv" (dict "root" . "secret" (include "loan-model.expireSecret" .)) }}
{{- end }}

{{- define "loan-model.expireMounts" -}}
{{- include "loan-model.recordsMounts" (dict "root" . "secret" (include "loan-model.expireSecret" .)) }}
{{- if include "loan-model.recordsHaveCa" . }}
{{- include "loan-model.bucketCaMount" . | nindent 0 }}
{{- end }}
{{- end }}

{{- define "loan-model.expireVolumes" -}}
- name: tmp
  emptyDir: {}
{{- include "loan-model.recordsVolumes" (dict "root" . "secret" (include "loan-model.expireSecret" .)) }}
{{- if include "loan-model.recordsHaveCa" . }}
{{- include "loan-model.bucketCaVolume" . | nindent 0 }}
{{- end }}
{{- end }}

{{/* The names of its variables and volumes. */}}
{{- define "loan-model.expireNames" -}}
{{- range include "loan-model.expireEnv" . | fromYamlArray }}{{ .name }} {{ end }}
{{- end }}

{{- define "loan-model.expireVolumeNames" -}}
{{- range include "loan-model.expireVolumes" . | fromYamlArray }}{{ .name }} {{ end }}
{{- end }}
