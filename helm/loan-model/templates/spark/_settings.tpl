{{/* A value as text, a great number without an exponent. */}}
{{- define "loan-model.plain" -}}
{{ kindIs "string" . | ternary . (toJson .) }}
{{- end }}

{{- define "loan-model.sparkFolder" -}}
/etc/spark
{{- end }}

{{- define "loan-model.sparkLocalFolder" -}}
/var/spark
{{- end }}

{{/* What runs on Spark: scoring, training, both or none. */}}
{{- define "loan-model.sparkParts" -}}
{{- if .Values.scoring.enabled }}scoring {{ end }}
{{- include "loan-model.trainsOnSpark" . | empty | ternary "" "training" }}
{{- end }}

{{- define "loan-model.trainsOnSpark" -}}
{{- if and (eq .Values.training.engine "spark") (or .Values.training.enabled .Values.training.run) }}true{{ end }}
{{- end }}

{{/* Where Spark runs, and its settings, of a driver in a Job's pod. Call it with a dict of `root` and `part`. */}}
{{- define "loan-model.sparkArgs" -}}
{{- $part := index .root.Values .part -}}
{{- range $key, $value := merge (include "loan-model.sparkClientSettings" . | fromYaml) ($part.spark | default $part).conf }}
- {{ printf "--conf=%s=%s" $key (include "loan-model.plain" $value) | quote }}
{{- end }}
{{- end }}

{{- define "loan-model.sparkMaster" -}}
k8s://https://kubernetes.default.svc
{{- end }}

{{/* Spark's settings, whoever submits. */}}
{{- define "loan-model.sparkSettings" -}}
# Fixed, for the network policies.
spark.driver.port: "7078"
spark.driver.blockManager.port: "7079"
spark.blockManager.port: "7079"
# Only those who know the application's secret, which Spark hands to the executors, may connect.
spark.authenticate: "true"
spark.local.dir: {{ include "loan-model.sparkLocalFolder" . }}
# What the driver has no rights to create or delete.
spark.kubernetes.executor.disableConfigMap: "true"
spark.kubernetes.driver.ownPersistentVolumeClaim: "false"
spark.kubernetes.driver.service.deleteOnTermination: "false"
{{- end }}

{{/* The same, and what the Spark operator has fields for, of a driver in a Job's pod. Call it as `sparkArgs`. */}}
{{- define "loan-model.sparkClientSettings" -}}
{{- $part := index .root.Values .part -}}
{{- $spark := $part.spark | default $part -}}
{{- $executors := $spark.executors -}}
{{- include "loan-model.sparkSettings" .root }}
spark.kubernetes.namespace: {{ .root.Release.Namespace }}
spark.kubernetes.container.image: {{ include "loan-model.sparkImage" .root }}
spark.kubernetes.container.image.pullPolicy: {{ .root.Values.image.pullPolicy }}
# The executors belong to this pod, and are deleted with it.
spark.kubernetes.driver.pod.name: $(POD_NAME)
spark.kubernetes.executor.podNamePrefix: $(POD_NAME)
spark.kubernetes.executor.podTemplateFile: {{ include "loan-model.sparkFolder" . }}/executor.yaml
# The address, of either family, because no Service names the pod. Spark also listens there.
spark.driver.host: $(POD_IP)
spark.driver.memory: {{ $spark.driver.memory }}
spark.executor.instances: {{ int $executors.instances | quote }}
spark.executor.cores: {{ int $executors.cores | quote }}
spark.executor.memory: {{ $executors.memory }}
spark.executor.memoryOverhead: {{ $executors.memoryOverhead }}
{{- with dig "requests" "cpu" "" $executors.resources }}
spark.kubernetes.executor.request.cores: {{ . | quote }}
{{- end }}
{{- with dig "limits" "cpu" "" $executors.resources }}
spark.kubernetes.executor.limit.cores: {{ . | quote }}
{{- end }}
{{- end }}

{{/* A container's memory in Mi, as Spark adds it up. Call it with a dict of `memory` and `memoryOverhead`. */}}
{{- define "loan-model.sparkMemory" -}}
{{- $sum := 0 -}}
{{- range list .memory .memoryOverhead -}}
{{- $sum = add $sum (mul (hasSuffix "g" . | ternary 1024 1) (regexFind "[0-9]+" . | int)) -}}
{{- end -}}
{{ $sum }}Mi
{{- end }}
