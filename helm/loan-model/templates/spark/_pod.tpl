{{/*
The pod of an executor, or of the driver of a scoring; that of a training is the training's own. Call it with a dict of
`root`, `part`: `scoring` or `training`, `role`: `driver` or `executor`, and `operator`: whether the Spark operator
submits it. Spark itself adds the image's argument, CPU and memory to an executor, and to a driver that the operator
submits.
*/}}
{{- define "loan-model.sparkPod" -}}
{{- $values := .root.Values -}}
{{- $part := index $values .part -}}
{{- $spark := $part.spark | default $part -}}
{{- $pod := $part.pod -}}
{{- $driver := eq .role "driver" -}}
{{- $job := and $driver (not .operator) -}}
{{- $queue := or $driver .operator | ternary "" (include "loan-model.sparkQueue" .) -}}
{{- $own := $driver | ternary "scoringDriver" "executor" -}}
{{- $resources := ($driver | ternary $spark.driver $spark.executors).resources -}}
{{- $sources := include (printf "loan-model.%sEnvFrom" $own) .root | fromYamlArray -}}
metadata:
  labels:
    {{- include "loan-model.sparkSelector" . | nindent 4 }}
    {{- with merge dict $pod.labels $values.storage.bucket.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with $queue }}
    kueue.x-k8s.io/queue-name: {{ . }}
    {{- end }}
  {{- if or $pod.annotations $queue }}
  annotations:
    {{- if $queue }}
    # Kueue otherwise leaves a pod to the admission of its owner, which for an executor is the driver's pod.
    kueue.x-k8s.io/pod-suspending-parent: pod
    {{- end }}
    {{- with $pod.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ include "loan-model.fullname" .root }}-{{ .part }}{{ if not $driver }}-executor{{ end }}
  automountServiceAccountToken: {{ $driver }}
  enableServiceLinks: false
  {{- if and $driver .operator }}
  activeDeadlineSeconds: {{ int $part.activeDeadlineSeconds }}
  {{- end }}
  securityContext:
    {{- include "loan-model.podSecurityContext" .root | nindent 4 }}
  {{- with $values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with include "loan-model.placement" (dict "root" .root "part" .part "mounts" $driver) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $pod.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ $job | ternary .part (printf "spark-kubernetes-%s" .role) }}
      image: {{ include "loan-model.sparkImage" .root }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      {{- if $job }}
      args:
        {{- include "loan-model.scoringArgs" . | nindent 8 }}
      {{- end }}
      # An executor keeps the files that the driver sends it where it runs.
      workingDir: /tmp
      {{- with concat (include (printf "loan-model.%sEnv" $own) . | fromYamlArray) $pod.env }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with concat $sources $pod.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      terminationMessagePolicy: FallbackToLogsOnError
      securityContext:
        {{- include "loan-model.securityContext" .root | nindent 8 }}
      {{- if $job }}
      resources:
        {{- include "loan-model.sparkDriverResources" $spark.driver | nindent 8 }}
      {{- else }}
      {{- $others := dict }}
      {{- range $kind, $amounts := $resources }}
      {{- with omit ($amounts | default dict) "cpu" }}
      {{- $_ := set $others $kind . }}
      {{- end }}
      {{- end }}
      {{- with $others }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      volumeMounts:
        {{- include "loan-model.sparkMounts" .root | nindent 8 }}
        {{- if $job }}
        {{- include "loan-model.sparkDriverMount" .root | nindent 8 }}
        {{- end }}
        {{- range list (printf "loan-model.%sMounts" $own) (printf "loan-model.%sDataMounts" .part) }}
        {{- with include . $.root | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- end }}
        {{- with $pod.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    {{- include "loan-model.sparkVolumes" $spark.sizes | nindent 4 }}
    {{- if $job }}
    {{- include "loan-model.sparkDriverVolume" . | nindent 4 }}
    {{- end }}
    {{- range list (printf "loan-model.%sVolumes" $own) (printf "loan-model.%sDataVolumes" .part) }}
    {{- with include . $.root | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- with $pod.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* By these the network policies select the pods. Call it with a dict of `root`, `part` and `role`. */}}
{{- define "loan-model.sparkSelector" -}}
{{- include "loan-model.selectorLabels" .root }}
app.kubernetes.io/component: {{ .part }}{{ if eq .role "executor" }}-executor{{ end }}
{{- end }}

{{/* The LocalQueue of Kueue that the Job is in. Call it with a dict of `root` and `part`. */}}
{{- define "loan-model.sparkQueue" -}}
{{- if eq .part "scoring" }}{{ .root.Values.scoring.queue }}
{{- else }}{{ get .root.Values.training.job.labels "kueue.x-k8s.io/queue-name" }}
{{- end }}
{{- end }}
