{{/*
The pod of a rollout. Call it with a dict of `root`, the `args` of `loan`, and the `restartPolicy` of a Job.
*/}}
{{- define "loan-model.rolloutPod" -}}
{{- $values := .root.Values -}}
metadata:
  labels:
    {{- include "loan-model.selectorLabels" .root | nindent 4 }}
    app.kubernetes.io/component: rollout
    {{- with $values.rollout.pod.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.rollout.pod.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .restartPolicy }}
  restartPolicy: {{ . }}
  {{- end }}
  serviceAccountName: {{ include "loan-model.fullname" .root }}-rollout
  enableServiceLinks: false
  # An upgrade that was begun is ended before the pod is.
  terminationGracePeriodSeconds: 120
  securityContext:
    {{- include "loan-model.podSecurityContext" .root | nindent 4 }}
  {{- with $values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with include "loan-model.placement" (dict "root" .root "part" "rollout") | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $values.rollout.pod.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: rollout
      image: {{ include "loan-model.rolloutImage" .root }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args:
        {{- toYaml .args | nindent 8 }}
      env:
        - name: LOAN_RELEASE
          value: {{ .root.Release.Name }}
        - name: LOAN_NAMESPACE
          value: {{ .root.Release.Namespace }}
        {{- with $values.rollout.pod.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $values.rollout.pod.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      terminationMessagePolicy: FallbackToLogsOnError
      securityContext:
        {{- include "loan-model.securityContext" .root | nindent 8 }}
      resources:
        {{- toYaml $values.rollout.resources | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- with $values.rollout.pod.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {}
    {{- with $values.rollout.pod.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
