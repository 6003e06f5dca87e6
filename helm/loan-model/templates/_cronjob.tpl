{{/*
A CronJob that reads or keeps the record of decisions, in the image of training. Call it with a dict of `root`, its `name`,
its `values`, their `path`, the `args` of `loan`, what `retries` a failed pod has, whether it `mounts` the registry's
claim and has a `token`, and as texts its `env`, `envFrom`, `mounted` and `volumes`.
*/}}
{{- define "loan-model.recordsCronJob" -}}
{{- $pod := .values.pod -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ include "loan-model.fullname" .root }}-{{ .name }}
  labels:
    {{- include "loan-model.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  schedule: {{ .values.schedule | quote }}
  # The record's days are of this time zone, the one that a control plane without a database of them knows too.
  timeZone: UTC
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  jobTemplate:
    metadata:
      labels:
        {{- include "loan-model.selectorLabels" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .name }}
    spec:
      backoffLimit: {{ .retries }}
      activeDeadlineSeconds: 3600
      podFailurePolicy:
        rules:
          # A pod that is moved away has not failed.
          - action: Ignore
            onPodConditions:
              - type: DisruptionTarget
                status: "True"
      template:
        metadata:
          labels:
            {{- include "loan-model.selectorLabels" .root | nindent 12 }}
            app.kubernetes.io/component: {{ .name }}
            {{- with merge dict $pod.labels .root.Values.storage.bucket.podLabels }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- with $pod.annotations }}
          annotations:
            {{- toYaml . | nindent 12 }}
          {{- end }}
        spec:
          restartPolicy: Never
          serviceAccountName: {{ include "loan-model.fullname" .root }}-{{ .name }}
          automountServiceAccountToken: {{ not (empty .token) }}
          enableServiceLinks: false
          securityContext:
            {{- include "loan-model.podSecurityContext" .root | nindent 12 }}
          {{- with .root.Values.image.pullSecrets }}
          imagePullSecrets:
            {{- range . }}
            - name: {{ . }}
            {{- end }}
          {{- end }}
          {{- with include "loan-model.placement" (dict "root" .root "part" .path "mounts" .mounts) | trim }}
          {{- . | nindent 10 }}
          {{- end }}
          {{- with $pod.initContainers }}
          initContainers:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          containers:
            - name: {{ .name }}
              # The server's has nothing that reads Parquet.
              image: {{ include "loan-model.trainingImage" .root }}
              imagePullPolicy: {{ .root.Values.image.pullPolicy }}
              args: {{ toJson .args }}
              env:
                {{- .env | nindent 16 }}
                {{- with $pod.env }}
                {{- toYaml . | nindent 16 }}
                {{- end }}
              {{- if or .envFrom $pod.envFrom }}
              envFrom:
                {{- with .envFrom }}
                {{- . | nindent 16 }}
                {{- end }}
                {{- with $pod.envFrom }}
                {{- toYaml . | nindent 16 }}
                {{- end }}
              {{- end }}
              terminationMessagePolicy: FallbackToLogsOnError
              securityContext:
                {{- include "loan-model.securityContext" .root | nindent 16 }}
              resources:
                {{- toYaml .values.resources | nindent 16 }}
              volumeMounts:
                - name: tmp
                  mountPath: /tmp
                {{- .mounted | nindent 16 }}
                {{- with $pod.volumeMounts }}
                {{- toYaml . | nindent 16 }}
                {{- end }}
          volumes:
            {{- .volumes | nindent 12 }}
            {{- with $pod.volumes }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
{{- end }}
