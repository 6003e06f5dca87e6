{{/*
The pod of a driver or of an executor. Call it with a dict of `root`, `role`: `driver` or `executor`, and `operator`:
whether the Spark operator submits it. Spark itself adds the image's argument, CPU and memory to an executor, and to a
driver that the operator submits.
*/}}
{{- define "loan-model.scoringPod" -}}
{{- $values := .root.Values -}}
{{- $scoring := $values.scoring -}}
{{- $pod := $scoring.pod -}}
{{- $driver := eq .role "driver" -}}
{{- $job := and $driver (not .operator) -}}
{{- $queued := and $scoring.queue (not $driver) (not .operator) -}}
{{- $resources := ($driver | ternary $scoring.driver $scoring.executors).resources -}}
{{- $sources := include (printf "loan-model.%sEnvFrom" .role) .root | fromYamlArray -}}
metadata:
  labels:
    {{- include "loan-model.scoringLabels" . | nindent 4 }}
    {{- if $queued }}
    kueue.x-k8s.io/queue-name: {{ $scoring.queue }}
    {{- end }}
  {{- if or $pod.annotations $queued }}
  annotations:
    {{- if $queued }}
    # Kueue otherwise leaves a pod to the admission of its owner, which for an executor is the driver's pod.
    kueue.x-k8s.io/pod-suspending-parent: pod
    {{- end }}
    {{- with $pod.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ include "loan-model.fullname" .root }}-scoring{{ if not $driver }}-executor{{ end }}
  automountServiceAccountToken: {{ $driver }}
  enableServiceLinks: false
  {{- if and $driver .operator }}
  activeDeadlineSeconds: {{ int $scoring.activeDeadlineSeconds }}
  {{- end }}
  securityContext:
    {{- include "loan-model.podSecurityContext" .root | nindent 4 }}
  {{- with $values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with include "loan-model.placement" (dict "root" .root "part" "scoring" "mounts" $driver) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $pod.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ $job | ternary "scoring" (printf "spark-kubernetes-%s" .role) }}
      image: {{ include "loan-model.sparkImage" .root }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      {{- if $job }}
      args:
        {{- include "loan-model.scoringArgs" . | nindent 8 }}
      {{- end }}
      # An executor keeps the files that the driver sends it where it runs.
      workingDir: /tmp
      {{- with concat (include (printf "loan-model.%sEnv" .role) . | fromYamlArray) $pod.env }}
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
      {{- $memory := dict "memory" (include "loan-model.sparkMemory" $scoring.driver) }}
      resources:
        requests:
          {{- merge dict $memory ($resources.requests | default dict) | toYaml | nindent 10 }}
        limits:
          {{- merge dict $memory ($resources.limits | default dict) | toYaml | nindent 10 }}
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
        - name: tmp
          mountPath: /tmp
        - name: spark-local-dir-1
          mountPath: {{ include "loan-model.sparkLocalFolder" .root }}
        {{- if $job }}
        - name: spark
          mountPath: {{ include "loan-model.sparkFolder" .root }}
          readOnly: true
        {{- end }}
        {{- with include (printf "loan-model.%sMounts" .role) .root | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- range $index, $claim := $scoring.claims }}
        - name: claim-{{ $index }}
          mountPath: {{ $claim.mountPath }}
          {{- if $claim.readOnly }}
          readOnly: true
          {{- end }}
        {{- end }}
        {{- with $pod.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: {{ $scoring.sizes.tmp }}
    # The name by which Spark finds it, instead of a volume of its own without a limit.
    - name: spark-local-dir-1
      emptyDir:
        sizeLimit: {{ $scoring.sizes.local }}
    {{- if $job }}
    - name: spark
      configMap:
        name: {{ include "loan-model.fullname" .root }}-scoring
    {{- end }}
    {{- with include (printf "loan-model.%sVolumes" .role) .root | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- range $index, $claim := $scoring.claims }}
    - name: claim-{{ $index }}
      persistentVolumeClaim:
        claimName: {{ $claim.name }}
        {{- if $claim.readOnly }}
        readOnly: true
        {{- end }}
    {{- end }}
    {{- with $pod.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* By these the network policies select the pods. Call it with a dict of `root` and `role`. */}}
{{- define "loan-model.scoringSelector" -}}
{{- include "loan-model.selectorLabels" .root }}
app.kubernetes.io/component: scoring{{ if eq .role "executor" }}-executor{{ end }}
{{- end }}

{{- define "loan-model.scoringLabels" -}}
{{- include "loan-model.scoringSelector" . }}
{{- with merge dict .root.Values.scoring.pod.labels .root.Values.storage.bucket.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The names of the volumes, and of the variables, that the chart gives a driver or an executor. */}}
{{- define "loan-model.scoringVolumes" -}}
tmp spark-local-dir-1 spark registry oci credentials bucket-ca verify
{{- range $index, $_ := .Values.scoring.claims }} claim-{{ $index }}{{ end }}
{{- end }}

{{- define "loan-model.scoringNames" -}}
{{- range include "loan-model.driverEnv" (dict "root" . "operator" false) | fromYamlArray }}{{ .name }} {{ end }}
{{- end }}
