{{/* The spec of a SparkApplication, for the Spark operator. */}}
{{- define "loan-model.sparkApplication" -}}
{{- $scoring := .Values.scoring -}}
type: Python
mode: cluster
sparkVersion: "4.1.0"
image: {{ include "loan-model.sparkImage" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
# By the name's end Spark knows a program in Python.
mainApplicationFile: local:///opt/loan/bin/loan.py
arguments:
  {{- include "loan-model.scoringArgs" (dict "root" . "operator" true) | nindent 2 }}
sparkConf:
  {{- range $key, $value := merge (include "loan-model.sparkSettings" . | fromYaml) $scoring.conf }}
  {{ $key }}: {{ include "loan-model.plain" $value | quote }}
  {{- end }}
restartPolicy:
  {{- if $scoring.backoffLimit }}
  type: OnFailure
  onFailureRetries: {{ $scoring.backoffLimit }}
  onFailureRetryInterval: 10
  onSubmissionFailureRetries: {{ $scoring.backoffLimit }}
  onSubmissionFailureRetryInterval: 10
  {{- else }}
  type: Never
  {{- end }}
{{- if $scoring.schedule }}
timeToLiveSeconds: {{ int $scoring.ttlSecondsAfterFinished }}
{{- end }}
driver:
  {{- include "loan-model.sparkResources" $scoring.driver | nindent 2 }}
  serviceAccount: {{ include "loan-model.fullname" . }}-scoring
  # Instead of the application's, which the operator gives to its pods.
  labels:
    {{- include "loan-model.sparkSelector" (dict "root" . "part" "scoring" "role" "driver") | nindent 4 }}
  template:
    {{- include "loan-model.sparkPod" (dict "root" . "part" "scoring" "role" "driver" "operator" true) | nindent 4 }}
executor:
  instances: {{ $scoring.executors.instances }}
  cores: {{ $scoring.executors.cores }}
  {{- include "loan-model.sparkResources" $scoring.executors | nindent 2 }}
  serviceAccount: {{ include "loan-model.fullname" . }}-scoring-executor
  labels:
    {{- include "loan-model.sparkSelector" (dict "root" . "part" "scoring" "role" "executor") | nindent 4 }}
  template:
    {{- include "loan-model.sparkPod" (dict "root" . "part" "scoring" "role" "executor" "operator" true) | nindent 4 }}
{{- end }}

{{- define "loan-model.sparkResources" -}}
memory: {{ .memory }}
memoryOverhead: {{ .memoryOverhead }}
{{- with dig "requests" "cpu" "" .resources }}
coreRequest: {{ . | quote }}
{{- end }}
{{- with dig "limits" "cpu" "" .resources }}
coreLimit: {{ . | quote }}
{{- end }}
{{- end }}
