{{/* What the driver runs. Call it with a dict of `root` and `operator`: whether the Spark operator submits it. */}}
{{- define "loan-model.scoringArgs" -}}
{{- $scoring := .root.Values.scoring -}}
- predict
- --engine=spark
- --master=k8s://https://kubernetes.default.svc
- {{ printf "--input=%s" $scoring.input | quote }}
{{- with $scoring.inputFormat }}
- --input-format={{ . }}
{{- end }}
{{- range $key, $value := $scoring.inputOptions }}
- {{ printf "--input-option=%s=%s" $key (include "loan-model.plain" $value) | quote }}
{{- end }}
- {{ printf "--output=%s" $scoring.output | quote }}
- --output-format={{ $scoring.outputFormat }}
{{- range $scoring.partitionBy }}
- {{ printf "--partition-by=%s" . | quote }}
{{- end }}
{{- if $scoring.overwrite }}
- --overwrite
{{- end }}
{{- with $scoring.version }}
- --version={{ . }}
{{- end }}
{{- if $scoring.explain }}
- --explain
{{- end }}
- --most-refused={{ $scoring.mostRefused }}
{{- if not .operator }}
{{- $settings := merge (include "loan-model.sparkSettings" .root | fromYaml) (include "loan-model.sparkClientSettings" .root | fromYaml) }}
{{- range $key, $value := merge $settings $scoring.conf }}
- {{ printf "--conf=%s=%s" $key (include "loan-model.plain" $value) | quote }}
{{- end }}
{{- end }}
{{- end }}

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

{{/* Those of a driver that runs in the Job's pod, which the Spark operator has fields for. */}}
{{- define "loan-model.sparkClientSettings" -}}
{{- $scoring := .Values.scoring -}}
{{- $executors := $scoring.executors -}}
spark.kubernetes.namespace: {{ .Release.Namespace }}
spark.kubernetes.container.image: {{ include "loan-model.sparkImage" . }}
spark.kubernetes.container.image.pullPolicy: {{ .Values.image.pullPolicy }}
# The executors belong to this pod, and are deleted with it.
spark.kubernetes.driver.pod.name: $(POD_NAME)
spark.kubernetes.executor.podNamePrefix: $(POD_NAME)
spark.kubernetes.executor.podTemplateFile: {{ include "loan-model.sparkFolder" . }}/executor.yaml
# The address, of either family, because no Service names the pod. Spark also listens there.
spark.driver.host: $(POD_IP)
spark.driver.memory: {{ $scoring.driver.memory }}
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
