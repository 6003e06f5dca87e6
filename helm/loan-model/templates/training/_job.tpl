{{/*
The spec of a training Job. Call it with a dict of `root` and `run`: the name of the training, or empty where the
Job's own uid is to be its name. Either way a pod that takes the place of a killed one publishes no second version.
With `keep` the Job is not deleted after it finished.
*/}}
{{- define "loan-model.trainingJob" -}}
{{- $training := .root.Values.training -}}
{{- $storage := .root.Values.storage -}}
{{- $source := $training.data -}}
{{- $pod := $training.pod -}}
{{- $credentials := include "loan-model.registryEnvFrom" .root -}}
{{- $spark := include "loan-model.trainsOnSpark" .root -}}
{{- $image := include ($spark | empty | ternary "loan-model.trainingImage" "loan-model.sparkImage") .root -}}
backoffLimit: {{ $training.backoffLimit }}
activeDeadlineSeconds: {{ $training.activeDeadlineSeconds }}
{{- if not .keep }}
ttlSecondsAfterFinished: {{ $training.ttlSecondsAfterFinished }}
{{- end }}
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
      {{- include "loan-model.selectorLabels" .root | nindent 6 }}
      app.kubernetes.io/component: training
      {{- with merge dict $pod.labels $storage.bucket.podLabels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with $pod.annotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    restartPolicy: Never
    serviceAccountName: {{ include "loan-model.fullname" .root }}-training
    automountServiceAccountToken: {{ not (empty $spark) }}
    enableServiceLinks: false
    securityContext:
      {{- include "loan-model.podSecurityContext" .root | nindent 6 }}
    {{- with .root.Values.image.pullSecrets }}
    imagePullSecrets:
      {{- range . }}
      - name: {{ . }}
      {{- end }}
    {{- end }}
    {{- with include "loan-model.placement" (dict "root" .root "part" "training" "mounts" true) | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- if or $pod.initContainers (eq $source.type "synthetic") }}
    initContainers:
      {{- with $pod.initContainers }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- if eq $source.type "synthetic" }}
      - name: data
        image: {{ include "loan-model.trainingImage" .root }}
        imagePullPolicy: {{ .root.Values.image.pullPolicy }}
        args: [data, --output=/data/dataset.csv, --rows={{ int $source.synthetic.rows }}, --seed={{ int $source.synthetic.seed }}]
        terminationMessagePolicy: FallbackToLogsOnError
        securityContext:
          {{- include "loan-model.securityContext" .root | nindent 10 }}
        resources:
          {{- toYaml $training.resources | nindent 10 }}
        volumeMounts:
          - name: data
            mountPath: /data
          - name: tmp
            mountPath: /tmp
      {{- end }}
    {{- end }}
    containers:
      - name: training
        image: {{ $image }}
        imagePullPolicy: {{ .root.Values.image.pullPolicy }}
        args:
          - train
          - --json
          {{- with $training.parameters.algorithm }}
          - --algorithm={{ . }}
          {{- end }}
          {{- with int $training.parameters.search }}
          - --search={{ . }}
          {{- end }}
          - --seed={{ int $training.parameters.seed }}
          {{- range $training.parameters.useProtected }}
          - --use-protected={{ . }}
          {{- end }}
          {{- range $name, $value := $training.parameters.set }}
          - --set={{ $name }}={{ $value | toJson }}
          {{- end }}
          {{- if $spark }}
          - --master={{ include "loan-model.sparkMaster" .root }}
          {{- include "loan-model.sparkArgs" (dict "root" .root "part" "training") | trim | nindent 10 }}
          {{- end }}
        env:
          {{- include "loan-model.trainingEnv" . | nindent 10 }}
          {{- with $pod.env }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
        {{- if or $credentials $pod.envFrom }}
        envFrom:
          {{- with $credentials }}
          {{- . | nindent 10 }}
          {{- end }}
          {{- with $pod.envFrom }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
        {{- end }}
        terminationMessagePolicy: FallbackToLogsOnError
        securityContext:
          {{- include "loan-model.securityContext" .root | nindent 10 }}
        resources:
          {{- if $spark }}
          {{- include "loan-model.sparkDriverResources" $training.spark.driver | nindent 10 }}
          {{- else }}
          {{- toYaml $training.resources | nindent 10 }}
          {{- end }}
        volumeMounts:
          {{- if $spark }}
          {{- include "loan-model.sparkMounts" .root | nindent 10 }}
          {{- include "loan-model.sparkDriverMount" .root | nindent 10 }}
          {{- else }}
          - name: tmp
            mountPath: /tmp
          {{- end }}
          {{- include "loan-model.registryMounts" (dict "root" .root) | nindent 10 }}
          {{- include "loan-model.trainingDataMounts" .root | nindent 10 }}
          {{- if $training.model.configMap.name }}
          - name: model
            mountPath: /model
            readOnly: true
          {{- end }}
          {{- include "loan-model.signingMounts" .root | nindent 10 }}
          {{- with $pod.volumeMounts }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
    volumes:
      {{- if $spark }}
      {{- include "loan-model.sparkVolumes" $training.spark.sizes | nindent 6 }}
      {{- include "loan-model.sparkDriverVolume" (dict "root" .root "part" "training") | nindent 6 }}
      {{- else }}
      - name: tmp
        emptyDir:
          sizeLimit: {{ $training.sizes.scratch }}
      {{- end }}
      {{- if $training.model.configMap.name }}
      - name: model
        configMap:
          name: {{ $training.model.configMap.name }}
      {{- end }}
      {{- include "loan-model.registryVolumes" (dict "root" .root) | nindent 6 }}
      {{- include "loan-model.trainingDataVolumes" .root | nindent 6 }}
      {{- include "loan-model.signingVolumes" .root | nindent 6 }}
      {{- with $pod.volumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
{{- end }}

{{/* What the chart tells a training. Call it as the one above. */}}
{{- define "loan-model.trainingEnv" -}}
{{- $training := .root.Values.training -}}
- name: LOAN_REGISTRY
  value: {{ include "loan-model.registry" .root }}
- name: LOAN_DATA
  value: {{ include "loan-model.data" .root }}
- name: LOAN_ENGINE
  value: {{ $training.engine }}
{{- if $training.model.configMap.name }}
- name: LOAN_MODEL
  value: /model/{{ $training.model.configMap.key }}
{{- end }}
{{- with .root.Values.serving.settings.LOAN_EXTRA_INPUTS }}
- name: LOAN_EXTRA_INPUTS
  value: {{ . }}
{{- end }}
- name: LOAN_RESULT
  value: /dev/termination-log
- name: LOAN_RUN
  {{- if .run }}
  value: {{ .run }}
  {{- else }}
  valueFrom:
    fieldRef:
      fieldPath: metadata.labels['batch.kubernetes.io/controller-uid']
  {{- end }}
- name: LOAN_JOB
  valueFrom:
    fieldRef:
      fieldPath: metadata.labels['batch.kubernetes.io/job-name']
{{- if include "loan-model.trainsOnSpark" .root }}
{{- include "loan-model.sparkDriverEnv" .root | nindent 0 }}
{{- end }}
{{- include "loan-model.signingEnv" .root | nindent 0 }}
{{- include "loan-model.registryEnv" .root | nindent 0 }}
{{- end }}

{{/* Where the data are, for the training, and for its executors on Spark. */}}
{{- define "loan-model.trainingDataMounts" -}}
{{- $type := .Values.training.data.type -}}
{{- if ne $type "bucket" }}
- name: data
  mountPath: /data
  {{- if ne $type "synthetic" }}
  readOnly: true
  {{- end }}
{{- end }}
{{- end }}

{{- define "loan-model.trainingDataVolumes" -}}
{{- $source := .Values.training.data -}}
{{- if ne $source.type "bucket" }}
- name: data
  {{- if eq $source.type "synthetic" }}
  emptyDir: {}
  {{- else if eq $source.type "configMap" }}
  configMap:
    name: {{ $source.configMap.name }}
  {{- else }}
  persistentVolumeClaim:
    claimName: {{ $source.pvc.claim }}
    readOnly: true
  {{- end }}
{{- end }}
{{- end }}

{{- define "loan-model.data" -}}
{{- $source := .Values.training.data -}}
{{- if eq $source.type "synthetic" }}/data/dataset.csv
{{- else if eq $source.type "configMap" }}/data/{{ $source.configMap.key }}
{{- else if eq $source.type "pvc" }}/data/{{ $source.pvc.path }}
{{- else }}{{ $source.bucket.url }}
{{- end }}
{{- end }}
