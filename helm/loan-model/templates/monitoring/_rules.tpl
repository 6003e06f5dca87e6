{{/* What selects the predictor's series, of stable and canary. */}}
{{- define "loan-model.predictorSeries" -}}
namespace="{{ .Release.Namespace }}", job=~"{{ include "loan-model.fullname" . }}(-canary)?-predictor"
{{- end }}

{{/*
An alert for each check of `loan monitor`, which says itself what it found by which limit. All pods expose the same
gauges, and one that starts has none for a moment, so an alert takes the greatest of the last minutes.
*/}}
{{- define "loan-model.watchRules" -}}
{{- $name := include "loan-model.fullname" . -}}
{{- $predictor := include "loan-model.predictorSeries" . -}}
{{- $alerts := dict
  "drift" (list "Drift" "The applicants of %s have changed" "the PSI against the training rows is")
  "score-drift" (list "ScoreDrift" "The scores of %s have changed" "the PSI against the training rows is")
  "missing" (list "MissingValues" "Values are missing in the applications of %s more or less often than in training" "the share of applications without the value has changed by")
  "out-of-range" (list "OutOfRange" "Applications of %s have values outside the declared range" "the share of applications outside the range is")
  "approval" (list "ApprovalRate" "The approval rate of %s is not that of the holdout" "the approval rate has changed by")
  "adverse-impact" (list "AdverseImpact" "The approval rate of a group of applicants of %s is too low beside that of another" "the adverse impact ratio is below 1 by")
  "discrimination" (list "Discrimination" "The AUC of %s on the outcomes is less than promised" "the AUC is less than promised by")
  "calibration" (list "Calibration" "The outcomes of %s are not as its probabilities promised" "the share of good outcomes differs from the mean probability by")
-}}
{{- range $check, $words := $alerts }}
- alert: LoanModel{{ first $words }}
  expr: |-
    max by (model, version, subject) (max_over_time(loan_monitor_change{ {{- $predictor }}, check="{{ $check }}"}[5m]))
      and on (model, version, subject)
      max by (model, version, subject) (max_over_time(loan_monitor_found{ {{- $predictor }}, check="{{ $check }}"}[5m])) == 1
  labels:
    severity: warning
  annotations:
    summary: {{ printf (index $words 1) $name | quote }}
    description: '{{ "{{ $labels.version }}, {{ $labels.subject }}" }}: {{ last $words }} {{ "{{ $value | printf \"%.3f\" }}" }}, beyond its limit and beyond chance.'
{{- end }}
- alert: LoanModelMonitorOverdue
  expr: |-
    time() - max(loan_monitor_created_timestamp_seconds{ {{- $predictor }}}) > {{ mul .Values.monitoring.watch.overdueHours 3600 }}
  for: 5m
  labels:
    severity: warning
  annotations:
    summary: The decisions of {{ $name }} have not been monitored lately
    description: 'The newest result of loan monitor that a predictor exposes is {{ "{{ $value | humanizeDuration }}" }} old. {{ include "loan-model.watchHint" . }}'
- alert: LoanModelMonitorAbsent
  expr: |-
    absent(loan_monitor_created_timestamp_seconds{ {{- $predictor }}})
  # Before the first run there is none.
  for: {{ .Values.monitoring.watch.overdueHours }}h
  labels:
    severity: warning
  annotations:
    summary: The decisions of {{ $name }} are not monitored
    description: 'No predictor exposes a result of loan monitor. {{ include "loan-model.watchHint" . }}'
{{- end }}

{{- define "loan-model.watchHint" -}}
kubectl -n {{ .Release.Namespace }} get jobs --selector app.kubernetes.io/component=watch shows the last runs; if they completed, loan_history_reads_total shows whether predictors can read the result.
{{- end }}
