{{/* How the driver reaches the registry and the tables. */}}
{{- define "loan-model.scoringDriverEnv" -}}
- name: LOAN_REGISTRY
  value: {{ include "loan-model.registry" .root }}
# The drivers that are tried for one run share its name. That of a CronJob's Job ends in the time when it was due.
- name: LOAN_RUN
  valueFrom:
    fieldRef:
      {{- $job := empty .root.Values.scoring.schedule | ternary "controller-uid" "job-name" | printf "batch.kubernetes.io/%s" }}
      fieldPath: metadata.labels['{{ .operator | ternary "sparkoperator.k8s.io/app-name" $job }}']
{{- if not .operator }}
{{- include "loan-model.sparkDriverEnv" . | nindent 0 }}
{{- end }}
{{- if hasKey .root.Values.serving.settings "LOAN_REFUSE_OUT_OF_RANGE" }}
# A row is judged as a request is.
- name: LOAN_REFUSE_OUT_OF_RANGE
  value: {{ .root.Values.serving.settings.LOAN_REFUSE_OUT_OF_RANGE | quote }}
{{- end }}
{{- include "loan-model.verifyEnv" .root }}
{{- include "loan-model.registryEnv" .root }}
{{- end }}

{{- define "loan-model.scoringDriverEnvFrom" -}}
{{- include "loan-model.registryEnvFrom" . }}
{{- end }}

{{- define "loan-model.scoringDriverMounts" -}}
{{- include "loan-model.registryMounts" (dict "root" . "readOnly" true) }}
{{- include "loan-model.verifyMount" . }}
{{- end }}

{{- define "loan-model.scoringDriverVolumes" -}}
{{- include "loan-model.registryVolumes" (dict "root" . "readOnly" true) }}
{{- include "loan-model.verifyVolume" . }}
{{- end }}

{{/* Where the tables are, for driver and executors. */}}
{{- define "loan-model.scoringDataMounts" -}}
{{- range $index, $claim := .Values.scoring.claims }}
- name: claim-{{ $index }}
  mountPath: {{ $claim.mountPath }}
  {{- if $claim.readOnly }}
  readOnly: true
  {{- end }}
{{- end }}
{{- end }}

{{- define "loan-model.scoringDataVolumes" -}}
{{- range $index, $claim := .Values.scoring.claims }}
- name: claim-{{ $index }}
  persistentVolumeClaim:
    claimName: {{ $claim.name }}
    {{- if $claim.readOnly }}
    readOnly: true
    {{- end }}
{{- end }}
{{- end }}

{{/* The names of the volumes, and of the variables, that the chart gives a driver or an executor. */}}
{{- define "loan-model.scoringVolumes" -}}
tmp spark-local-dir-1 spark registry oci credentials bucket-ca verify
{{- range $index, $_ := .Values.scoring.claims }} claim-{{ $index }}{{ end }}
{{- end }}

{{- define "loan-model.scoringNames" -}}
{{- range include "loan-model.scoringDriverEnv" (dict "root" . "operator" false) | fromYamlArray }}{{ .name }} {{ end }}
{{- end }}
