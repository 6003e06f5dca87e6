{{/* One InferenceService. Call it with a dict of `root`, its `name` and the `version` that it serves. */}}
{{- define "loan-model.inferenceService" -}}
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {{ .name }}
  labels:
    {{- include "loan-model.labels" .root | nindent 4 }}
    # The chart's own routes are the way in, so KServe makes none.
    networking.kserve.io/visibility: cluster-local
  annotations:
    serving.kserve.io/deploymentMode: {{ .root.Values.mode }}
spec:
  predictor:
    annotations:
      # Credentials are read when a pod starts, so other ones need other pods.
      checksum/storage: {{ .root.Values.storage.bucket | toJson | sha256sum }}
    {{- with .root.Values.storage.bucket.podLabels }}
    labels:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    minReplicas: {{ .root.Values.serving.replicas.min }}
    maxReplicas: {{ .root.Values.serving.replicas.max }}
    scaleMetric: cpu
    scaleTarget: {{ .root.Values.serving.replicas.cpuUtilization }}
    deploymentStrategy:
      type: RollingUpdate
      rollingUpdate:
        maxSurge: 1
        maxUnavailable: 0
    serviceAccountName: {{ include "loan-model.fullname" .root }}-predictor
    automountServiceAccountToken: {{ .root.Values.serving.train.enabled }}
    enableServiceLinks: false
    terminationGracePeriodSeconds: {{ .root.Values.serving.terminationGracePeriodSeconds }}
    securityContext:
      {{- include "loan-model.podSecurityContext" .root | nindent 6 }}
    {{- with .root.Values.serving.topologySpread }}
    {{- if .key }}
    topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: {{ .key }}
        whenUnsatisfiable: {{ .whenUnsatisfiable }}
        labelSelector:
          matchLabels:
            serving.kserve.io/inferenceservice: {{ $.name }}
    {{- end }}
    {{- end }}
    {{- with .root.Values.serving.nodeSelector }}
    nodeSelector:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .root.Values.serving.tolerations }}
    tolerations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    model:
      modelFormat:
        name: loan-model
        version: "1"
      runtime: {{ include "loan-model.fullname" .root }}
      protocolVersion: v2
      storageUri: {{ include "loan-model.storageUri" .root }}/{{ .version }}
      env:
        # A server that was given another version, or none, ends and says so.
        - name: LOAN_VERSION
          value: {{ .version }}
      resources:
        {{- toYaml .root.Values.serving.resources | nindent 8 }}
{{- end }}
