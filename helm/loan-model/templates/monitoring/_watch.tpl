{{/* Where the results of `loan monitor` are: where the record is, so that it is reached in the same way. */}}
{{- define "loan-model.historyEnv" -}}
{{- $watch := .Values.monitoring.watch -}}
{{- if $watch.enabled }}
- name: LOAN_MONITOR_HISTORY
  value: {{ eq .Values.records.type "pvc" | ternary "/history" (trimSuffix "/" $watch.history.url) }}
{{- end }}
{{- end }}

{{/* Call it with a dict of `root` and whether the claim is mounted `readOnly`. */}}
{{- define "loan-model.historyMounts" -}}
{{- if and .root.Values.monitoring.watch.enabled (eq .root.Values.records.type "pvc") }}
- name: history
  mountPath: /history
  {{- if .readOnly }}
  readOnly: true
  {{- end }}
{{- end }}
{{- end }}

{{- define "loan-model.historyVolumes" -}}
{{- if and .Values.monitoring.watch.enabled (eq .Values.records.type "pvc") }}
- name: history
  persistentVolumeClaim:
    claimName: {{ .Values.monitoring.watch.history.claim }}
{{- end }}
{{- end }}

{{/* The bucket whose credentials the monitor has, because a process has one set: the record's, else the registry's. */}}
{{- define "loan-model.watchBucket" -}}
{{- $bucket := eq .Values.records.type "bucket" | ternary .Values.records.bucket .Values.storage.bucket -}}
{{- merge (dict "secret" (.Values.monitoring.watch.secret | default $bucket.secret)) $bucket | toYaml -}}
{{- end }}

{{- define "loan-model.watchHasBucket" -}}
{{- if or (eq .Values.records.type "bucket") (eq .Values.storage.type "bucket") }}true{{ end }}
{{- end }}

{{- define "loan-model.watchArgs" -}}
{{- $watch := .Values.monitoring.watch -}}
- monitor
- --output=/tmp/monitor.json
{{- with $watch.outcomes.url }}
- --outcomes={{ . }}
{{- end }}
{{- range $option := list "good" "bad" }}
{{- range index $watch.outcomes $option }}
- {{ printf "--%s=%s" $option . | quote }}
{{- end }}
{{- end }}
{{- range $name, $value := $watch.limits }}
- --set={{ $name }}={{ $value }}
{{- end }}
{{- with $watch.failOn }}
- --fail-on={{ join "," . }}
{{- end }}
{{- with $watch.eventOn }}
- --event-on={{ join "," . }}
{{- end }}
{{- with $watch.retrainOn }}
- --retrain-on={{ join "," . }}
- --retrain-days={{ int $watch.retrainDays }}
{{- end }}
{{- if include "loan-model.watchFollowsUp" . }}
- --service={{ include "loan-model.fullname" . }}
{{- end }}
{{- end }}

{{/* Whether the monitor tells the cluster of findings, for which it has a token. */}}
{{- define "loan-model.watchFollowsUp" -}}
{{- if or .Values.monitoring.watch.eventOn .Values.monitoring.watch.retrainOn }}true{{ end }}
{{- end }}

{{- define "loan-model.watchEnv" -}}
- name: LOAN_REGISTRY
  value: {{ include "loan-model.registry" . }}
{{- include "loan-model.historyEnv" . }}
{{- include "loan-model.verifyEnv" . }}
{{- include "loan-model.ociEnv" . }}
{{- $bucket := include "loan-model.watchBucket" . | fromYaml }}
{{- include "loan-model.recordsEnv" (dict "root" . "secret" $bucket.secret) }}
{{- if and (ne .Values.records.type "bucket") (eq .Values.storage.type "bucket") }}
{{- include "loan-model.bucketAccess" $bucket }}
{{- include "loan-model.bucketWay" (dict "root" .) }}
{{- end }}
{{- end }}

{{- define "loan-model.watchEnvFrom" -}}
{{- if include "loan-model.watchHasBucket" . }}{{ include "loan-model.bucketEnvFrom" (include "loan-model.watchBucket" . | fromYaml) }}{{ end }}
{{- end }}

{{- define "loan-model.watchMounts" -}}
{{- include "loan-model.recordsClaimMounts" (dict "root" . "readOnly" true) }}
{{- include "loan-model.versionsMounts" (dict "root" . "readOnly" true) }}
{{- include "loan-model.historyMounts" (dict "root" .) }}
{{- include "loan-model.verifyMount" . }}
{{- if include "loan-model.watchHasBucket" . }}
{{- include "loan-model.googleMount" (include "loan-model.watchBucket" . | fromYaml) }}
{{- if .Values.storage.bucket.caConfigMap.name }}
{{- include "loan-model.bucketCaMount" . | nindent 0 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "loan-model.watchVolumes" -}}
- name: tmp
  emptyDir: {}
{{- include "loan-model.recordsClaimVolumes" . }}
{{- include "loan-model.versionsVolumes" (dict "root" . "readOnly" true) }}
{{- include "loan-model.historyVolumes" . }}
{{- include "loan-model.verifyVolume" . }}
{{- if include "loan-model.watchHasBucket" . }}
{{- include "loan-model.googleVolume" (include "loan-model.watchBucket" . | fromYaml) }}
{{- if .Values.storage.bucket.caConfigMap.name }}
{{- include "loan-model.bucketCaVolume" . | nindent 0 }}
{{- end }}
{{- end }}
{{- end }}

{{/* The names of its variables and volumes. */}}
{{- define "loan-model.watchNames" -}}
{{- range include "loan-model.watchEnv" . | fromYamlArray }}{{ .name }} {{ end }}
{{- end }}

{{- define "loan-model.watchVolumeNames" -}}
{{- range include "loan-model.watchVolumes" . | fromYamlArray }}{{ .name }} {{ end }}
{{- end }}
