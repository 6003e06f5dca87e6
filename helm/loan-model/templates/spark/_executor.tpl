{{/* How an executor reaches the tables. Of the registry and of keys it has nothing. */}}
{{- define "loan-model.executorsReadBucket" -}}
{{- /* Spark reads no other buckets than S3's. */}}
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
