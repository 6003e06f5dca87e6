{{/* How the driver reaches the registry and the tables, and an executor the tables. */}}
{{- define "loan-model.driverEnv" -}}
- name: LOAN_REGISTRY
  value: {{ include "loan-model.registry" .root }}
# The drivers that are tried for one run share its name. That of a CronJob's Job ends in the time when it was due.
- name: LOAN_RUN
  valueFrom:
    fieldRef:
      {{- $job := empty .root.Values.scoring.schedule | ternary "controller-uid" "job-name" | printf "batch.kubernetes.io/%s" }}
      fieldPath: metadata.labels['{{ .operator | ternary "sparkoperator.k8s.io/app-name" $job }}']
{{- if not .operator }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
{{- end }}
{{- if hasKey .root.Values.serving.settings "LOAN_REFUSE_OUT_OF_RANGE" }}
# A row is judged as a request is.
- name: LOAN_REFUSE_OUT_OF_RANGE
  value: {{ .root.Values.serving.settings.LOAN_REFUSE_OUT_OF_RANGE | quote }}
{{- end }}
{{- include "loan-model.verifyEnv" .root }}
{{- include "loan-model.registryEnv" .root }}
{{- end }}

{{- define "loan-model.driverEnvFrom" -}}
{{- include "loan-model.registryEnvFrom" . }}
{{- end }}

{{- define "loan-model.driverMounts" -}}
{{- include "loan-model.registryMounts" (dict "root" . "readOnly" true) }}
{{- include "loan-model.verifyMount" . }}
{{- end }}

{{- define "loan-model.driverVolumes" -}}
{{- include "loan-model.registryVolumes" (dict "root" . "readOnly" true) }}
{{- include "loan-model.verifyVolume" . }}
{{- end }}

{{/* Spark reads no other buckets than S3's. */}}
{{- define "loan-model.executorsReadBucket" -}}
{{- if and (eq .Values.storage.type "bucket") (hasPrefix "s3://" .Values.storage.bucket.url) }}true{{ end }}
{{- end }}

{{- define "loan-model.executorEnv" -}}
{{- if include "loan-model.executorsReadBucket" .root }}
{{- include "loan-model.bucketEnv" .root }}
{{- end }}
{{- end }}

{{- define "loan-model.executorEnvFrom" -}}
{{- if include "loan-model.executorsReadBucket" . }}
{{- include "loan-model.registryEnvFrom" . }}
{{- end }}
{{- end }}

{{- define "loan-model.executorMounts" -}}
{{- if and (include "loan-model.executorsReadBucket" .) (include "loan-model.hasBucketCa" .) }}
{{- include "loan-model.bucketCaMount" . }}
{{- end }}
{{- end }}

{{- define "loan-model.executorVolumes" -}}
{{- if and (include "loan-model.executorsReadBucket" .) (include "loan-model.hasBucketCa" .) }}
{{- include "loan-model.bucketCaVolume" . }}
{{- end }}
{{- end }}
