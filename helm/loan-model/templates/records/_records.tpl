{{/*
Where the record of decisions is, for whoever writes it, compares it or lets it expire. Call these with a dict of `root` and `secret`,
the name of the one with the bucket's credentials, which are not the same for both.
*/}}
{{- define "loan-model.recordsEnv" -}}
{{- $records := .root.Values.records -}}
{{- if eq $records.type "pvc" }}
- name: LOAN_RECORDS
  value: /records
{{- if $records.pvc.protectedClaim }}
- name: LOAN_RECORDS_PROTECTED
  value: /records-protected
{{- end }}
{{- else if eq $records.type "bucket" }}
- name: LOAN_RECORDS
  value: {{ $records.bucket.url | trimSuffix "/" }}
{{- with $records.bucket.protectedUrl }}
- name: LOAN_RECORDS_PROTECTED
  value: {{ . | trimSuffix "/" }}
{{- end }}
{{- include "loan-model.bucketAccess" (include "loan-model.recordsBucket" . | fromYaml) }}
{{- /* By which the server asks the cluster who a caller is. */}}
{{- include "loan-model.bucketWay" (dict "root" .root "direct" "$(KUBERNETES_SERVICE_HOST)") }}
{{- end }}
{{- end }}

{{- define "loan-model.recordsEnvFrom" -}}
{{- if eq .root.Values.records.type "bucket" }}{{ include "loan-model.bucketEnvFrom" (include "loan-model.recordsBucket" . | fromYaml) }}{{ end }}
{{- end }}

{{- define "loan-model.recordsBucket" -}}
{{- merge (dict "secret" .secret) .root.Values.records.bucket | toYaml }}
{{- end }}

{{- define "loan-model.recordsMounts" -}}
{{- include "loan-model.recordsClaimMounts" . }}
{{- if eq .root.Values.records.type "bucket" }}
{{- include "loan-model.googleMount" (include "loan-model.recordsBucket" . | fromYaml) }}
{{- end }}
{{- end }}

{{/* Call it with a dict of `root` and whether the claims are mounted `readOnly`. */}}
{{- define "loan-model.recordsClaimMounts" -}}
{{- $pvc := .root.Values.records.pvc -}}
{{- if eq .root.Values.records.type "pvc" }}
{{- range $name, $claim := dict "records" $pvc.claim "records-protected" $pvc.protectedClaim }}
{{- if $claim }}
- name: {{ $name }}
  mountPath: /{{ $name }}
  {{- if $.readOnly }}
  readOnly: true
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "loan-model.recordsVolumes" -}}
{{- include "loan-model.recordsClaimVolumes" .root }}
{{- if eq .root.Values.records.type "bucket" }}
{{- include "loan-model.googleVolume" (include "loan-model.recordsBucket" . | fromYaml) }}
{{- end }}
{{- end }}

{{- define "loan-model.recordsClaimVolumes" -}}
{{- $records := .Values.records -}}
{{- if eq $records.type "pvc" }}
- name: records
  persistentVolumeClaim:
    claimName: {{ $records.pvc.claim }}
{{- with $records.pvc.protectedClaim }}
- name: records-protected
  persistentVolumeClaim:
    claimName: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Whether the authorities of storage.bucket are those of the record's bucket too. */}}
{{- define "loan-model.recordsHaveCa" -}}
{{- if and (eq .Values.records.type "bucket") .Values.storage.bucket.caConfigMap.name }}true{{ end }}
{{- end }}
