{{/* Where the pods of `serving`, `training` or `rollout` run. Call it with that part of the values. */}}
{{- define "loan-model.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pod.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* The server's variables that other values than its settings decide. */}}
{{- define "loan-model.serverNames" -}}
LOAN_REGISTRY LOAN_VERSION LOAN_MODEL_NAME LOAN_HTTP_PORT LOAN_GRPC_PORT LOAN_GRACE_SECONDS LOAN_ACCESS LOAN_ACCESS_SERVICE LOAN_ACCESS_NAMESPACE LOAN_ACCESS_AUDIENCE LOAN_ANYONE_MAY LOAN_VERIFY_KEY LOAN_TLS_CERTIFICATE LOAN_TLS_KEY LOAN_TRAIN_SOURCES LOAN_TRAIN_CRONJOB LOAN_TRAIN_NAMESPACE OTEL_EXPORTER_OTLP_ENDPOINT OTEL_TRACES_SAMPLER OTEL_TRACES_SAMPLER_ARG OTEL_SERVICE_NAME
{{- end }}

{{/* A training's variables that other values decide, which depend on where its data and model are. */}}
{{- define "loan-model.trainingNames" -}}
{{- range include "loan-model.trainingEnv" (dict "root" . "run" "") | fromYamlArray }}{{ .name }} {{ end }}
{{- end }}
