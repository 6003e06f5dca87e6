{{/* Whether Kubernetes judges callers' tokens: asked for, or needed by a right that callers are to have. */}}
{{- define "loan-model.judged" -}}
{{- if or .Values.access.enabled .Values.access.predict .Values.serving.train.enabled }}true{{ end }}
{{- end }}

{{/* Cluster-wide objects need a name that no other release has. */}}
{{- define "loan-model.clusterName" -}}
{{ .Release.Namespace }}-{{ include "loan-model.fullname" . }}
{{- end }}

{{/* The name in the certificate that the pods show. */}}
{{- define "loan-model.tlsHost" -}}
{{ .Values.tls.hostname | default (printf "%s-predictor.%s.svc" (include "loan-model.fullname" .) .Release.Namespace) }}
{{- end }}

{{/* What the server is told of access, keys and certificates; and training of keys. */}}
{{- define "loan-model.trustEnv" -}}
{{- if include "loan-model.judged" . }}
- name: LOAN_ACCESS
  value: kubernetes
- name: LOAN_ACCESS_SERVICE
  value: {{ include "loan-model.fullname" . }}
- name: LOAN_ACCESS_NAMESPACE
  value: {{ .Release.Namespace }}
- name: LOAN_ACCESS_AUDIENCE
  value: {{ .Values.access.audience }}
{{- end }}
- name: LOAN_ANYONE_MAY
  value: {{ if .Values.access.predict }}""{{ else }}predict{{ end }}
{{- if .Values.tls.secretName }}
- name: LOAN_TLS_CERTIFICATE
  value: /tls/tls.crt
- name: LOAN_TLS_KEY
  value: /tls/tls.key
{{- end }}
{{- with .Values.serving.train.sources }}
- name: LOAN_TRAIN_SOURCES
  value: {{ toJson . | quote }}
{{- end }}
{{- include "loan-model.verifyEnv" . }}
{{- end }}

{{- define "loan-model.trustMounts" -}}
{{- if .Values.tls.secretName }}
- name: tls
  mountPath: /tls
  readOnly: true
{{- end }}
{{- include "loan-model.verifyMount" . }}
{{- end }}

{{- define "loan-model.trustVolumes" -}}
{{- if .Values.tls.secretName }}
- name: tls
  secret:
    secretName: {{ .Values.tls.secretName }}
{{- end }}
{{- include "loan-model.verifyVolume" . }}
{{- end }}

{{/* The public keys, for whoever reads versions. */}}
{{- define "loan-model.verifyEnv" -}}
{{- if .Values.serving.verify.publicKeys }}
- name: LOAN_VERIFY_KEY
  value: /verify/signing.pub
{{- end }}
{{- end }}

{{- define "loan-model.verifyMount" -}}
{{- if .Values.serving.verify.publicKeys }}
- name: verify
  mountPath: /verify
  readOnly: true
{{- end }}
{{- end }}

{{- define "loan-model.verifyVolume" -}}
{{- if .Values.serving.verify.publicKeys }}
- name: verify
  configMap:
    name: {{ include "loan-model.fullname" . }}-verify
{{- end }}
{{- end }}

{{/* The private key, for training alone; and the name by which its audit lines and promotions go. */}}
{{- define "loan-model.signingEnv" -}}
- name: LOGNAME
  value: system:serviceaccount:{{ .Release.Namespace }}:{{ include "loan-model.fullname" . }}-training
{{- if .Values.training.signing.secretName }}
- name: LOAN_SIGNING_KEY
  value: /signing/signing.key
{{- with .Values.training.signing.bundleKey }}
- name: LOAN_BUNDLE_KEY
  value: /signing/{{ . }}
{{- end }}
{{- end }}
{{- include "loan-model.verifyEnv" . }}
{{- end }}

{{- define "loan-model.signingMounts" -}}
{{- if .Values.training.signing.secretName }}
- name: signing
  mountPath: /signing
  readOnly: true
{{- end }}
{{- include "loan-model.verifyMount" . }}
{{- end }}

{{- define "loan-model.signingVolumes" -}}
{{- if .Values.training.signing.secretName }}
- name: signing
  secret:
    secretName: {{ .Values.training.signing.secretName }}
{{- end }}
{{- include "loan-model.verifyVolume" . }}
{{- end }}
