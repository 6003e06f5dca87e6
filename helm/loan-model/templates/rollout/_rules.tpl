{{/* What a judgement and the record of it need, however the traffic is moved. */}}
{{- define "loan-model.judgeRules" -}}
# The registry is asked by a Job.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, create, delete]
# Health, and who is at it; what was decided.
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
{{- if not .Values.rollout.prometheus.url }}
- apiGroups: [""]
  resources: [pods/proxy]
  verbs: [get]
{{- end }}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, update]
- apiGroups: [""]
  resources: [events]
  verbs: [create, list]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get]
{{- end }}
