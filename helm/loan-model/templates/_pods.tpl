{{/*
Where pods run. Call it with a dict of `root`, `part`: `serving`, `training`, `scoring`, `rollout`, `records.expire` or
`monitoring.watch`, and whether the pod `mounts` the registry's claim.
*/}}
{{- define "loan-model.placement" -}}
{{- $part := .root.Values -}}
{{- range splitList "." .part }}{{ $part = index $part . }}{{ end -}}
{{- with $part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.pod.affinity | default (include "loan-model.claimAffinity" . | fromYaml) }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/*
What keeps the pods that mount a claim together which one node at a time may mount. The first of them has the choice,
because the scheduler lets a pod pass that is the only one of its kind.
*/}}
{{- define "loan-model.claimAffinity" -}}
{{- if and .mounts (include "loan-model.claimOfOneNode" .root) -}}
podAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          {{- include "loan-model.selectorLabels" .root | nindent 10 }}
        matchExpressions:
          # These do not mount it.
          - {key: app.kubernetes.io/component, operator: NotIn, values: [rollout, test, scoring-executor{{ if include "loan-model.trainsOnSpark" .root }}, training-executor{{ end }}{{ if .root.Values.records.expire.enabled }}, expire{{ end }}]}
{{- end }}
{{- end }}

{{- define "loan-model.claimOfOneNode" -}}
{{- $pvc := .Values.storage.pvc -}}
{{- if and (eq .Values.storage.type "pvc") (not $pvc.existingClaim) (not (has "ReadWriteMany" $pvc.accessModes)) }}true{{ end }}
{{- end }}

{{/* The server's variables that other values than its settings decide. */}}
{{- define "loan-model.serverNames" -}}
LOAN_REGISTRY LOAN_VERSION LOAN_MODEL_NAME LOAN_HTTP_PORT LOAN_GRPC_PORT LOAN_GRACE_SECONDS LOAN_ACCESS LOAN_ACCESS_SERVICE LOAN_ACCESS_NAMESPACE LOAN_ACCESS_AUDIENCE LOAN_ANYONE_MAY LOAN_VERIFY_KEY LOAN_TLS_CERTIFICATE LOAN_TLS_KEY LOAN_TRAIN_SOURCES LOAN_TRAIN_CRONJOB LOAN_TRAIN_NAMESPACE LOAN_RECORDS LOAN_RECORDS_PROTECTED LOAN_RECORDS_SECONDS LOAN_RECORDS_SIGNING_KEY OTEL_EXPORTER_OTLP_ENDPOINT OTEL_TRACES_SAMPLER OTEL_TRACES_SAMPLER_ARG OTEL_SERVICE_NAME
{{- range concat (include "loan-model.recordingEnv" . | fromYamlArray) (include "loan-model.historyEnv" . | fromYamlArray) }} {{ .name }}{{ end }}
{{- end }}

{{/* The names of the volumes that the chart gives a server. */}}
{{- define "loan-model.serverVolumes" -}}
tmp tls verify bucket-ca{{ range concat (include "loan-model.recordingVolumes" . | fromYamlArray) (include "loan-model.historyVolumes" . | fromYamlArray) }} {{ .name }}{{ end }}
{{- end }}

{{/* The names of the volumes that the chart gives a training. */}}
{{- define "loan-model.trainingVolumes" -}}
tmp model registry data signing verify credentials bucket-ca
{{- if include "loan-model.trainsOnSpark" . }} spark spark-local-dir-1{{ end }}
{{- end }}

{{/* A training's variables that other values decide, which depend on where its data and model are. */}}
{{- define "loan-model.trainingNames" -}}
{{- range include "loan-model.trainingEnv" (dict "root" . "run" "") | fromYamlArray }}{{ .name }} {{ end }}
{{- end }}

{{/* What a claim means that one node at a time may mount; empty for others. */}}
{{- define "loan-model.claimNote" -}}
{{- $claim := include "loan-model.claim" . -}}
{{- $modes := .Values.storage.pvc.accessModes -}}
{{- $together := include "loan-model.claimOfOneNode" . -}}
{{- if .Values.storage.pvc.existingClaim -}}
{{- $found := lookup "v1" "PersistentVolumeClaim" .Release.Namespace $claim -}}
{{- $modes = dig "spec" "accessModes" (list "ReadWriteMany") $found -}}
{{- end -}}
{{- if and (eq .Values.storage.type "pvc") (not (has "ReadWriteMany" $modes)) -}}
The claim {{ $claim }} is {{ join " and " $modes }}: one node at a time mounts it. {{ if $together -}}
So all pods that mount it run on one node, unless an affinity of serving.pod, training.pod, scoring.pod or monitoring.watch.pod says otherwise.
{{- else -}}
On more than one node, pods on the others wait for it in vain.
{{- end }} For more nodes keep the versions on a claim that is ReadWriteMany, or in a bucket.
{{- end }}
{{- end }}
