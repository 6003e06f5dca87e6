{{/* The spec of a scoring Job. With `keep` the Job is not deleted after it finished. */}}
{{- define "loan-model.scoringJob" -}}
{{- $scoring := .root.Values.scoring -}}
backoffLimit: {{ $scoring.backoffLimit }}
activeDeadlineSeconds: {{ int $scoring.activeDeadlineSeconds }}
{{- if not .keep }}
ttlSecondsAfterFinished: {{ int $scoring.ttlSecondsAfterFinished }}
{{- end }}
podFailurePolicy:
  rules:
    # A pod that is moved away has not failed.
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
          status: "True"
template:
  {{- include "loan-model.sparkPod" (dict "root" .root "part" "scoring" "role" "driver" "operator" false) | nindent 2 }}
{{- end }}

{{/* Labels of a scoring Job, beside the chart's own. */}}
{{- define "loan-model.scoringJobLabels" -}}
app.kubernetes.io/component: scoring
{{- with .Values.scoring.queue }}
kueue.x-k8s.io/queue-name: {{ . }}
{{- end }}
{{- with .Values.scoring.job.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The name of what runs once: another one where it runs something else, because a Job cannot be changed. */}}
{{- define "loan-model.scoringName" -}}
{{- $job := include "loan-model.scoringJob" (dict "root" . "keep" true) | fromYaml -}}
{{- $executor := include "loan-model.sparkPod" (dict "root" . "part" "scoring" "role" "executor" "operator" false) | fromYaml -}}
{{ include "loan-model.fullname" . }}-scoring-{{ list $job $executor | toJson | sha256sum | trunc 8 }}
{{- end }}
