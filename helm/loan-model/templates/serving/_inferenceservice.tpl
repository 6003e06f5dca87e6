{{/*
One InferenceService. Call it with a dict of `root`, its `name`, the `version` that it serves, and in Knative mode the
one `port` that it serves at.
*/}}
{{- define "loan-model.inferenceService" -}}
{{- $pod := .root.Values.serving.pod -}}
{{- $knative := eq .root.Values.mode "Knative" -}}
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {{ .name }}
  labels:
    {{- include "loan-model.labels" .root | nindent 4 }}
    # The chart's own routes are the way in, so KServe and Knative make none.
    networking.{{ $knative | ternary "knative.dev" "kserve.io" }}/visibility: cluster-local
  annotations:
    serving.kserve.io/deploymentMode: {{ .root.Values.mode }}
    {{- if $knative }}
    serving.kserve.io/enable-tag-routing: "true"
    {{- end }}
spec:
  predictor:
    annotations:
      # Credentials are read when a pod starts, so other ones need other pods.
      checksum/storage: {{ .root.Values.storage.bucket | toJson | sha256sum }}
      {{- with .root.Values.serving.settings }}
      # Settings stand in the runtime, of which KServe sees no change by itself.
      checksum/settings: {{ toJson . | sha256sum }}
      {{- end }}
      {{- with .root.Values.tracing }}
      {{- if .endpoint }}
      checksum/tracing: {{ toJson . | sha256sum }}
      {{- end }}
      {{- end }}
      {{- with .root.Values.serving.verify.publicKeys }}
      # A key that is not trusted any more takes what it signed out of service.
      checksum/verify: {{ sha256sum . }}
      {{- end }}
      {{- with .root.Values.records }}
      {{- if .type }}
      checksum/records: {{ omit . "expire" | toJson | sha256sum }}
      {{- end }}
      {{- end }}
      {{- with .root.Values.monitoring.watch }}
      {{- if .enabled }}
      checksum/history: {{ toJson .history | sha256sum }}
      {{- end }}
      {{- end }}
      {{- with $pod.annotations }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with merge dict $pod.labels .root.Values.storage.bucket.podLabels }}
    labels:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- include (printf "loan-model.pods%s" .root.Values.mode) . | nindent 4 }}
    serviceAccountName: {{ include "loan-model.fullname" .root }}-predictor
    enableServiceLinks: false
    {{- /* Knative takes no affinity without a flag. */}}
    {{- with include "loan-model.placement" (dict "root" .root "part" "serving" "mounts" (not $knative)) | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $pod.initContainers }}
    initContainers:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- $ca := or (include "loan-model.hasBucketCa" .root) (include "loan-model.recordsHaveCa" .root) }}
    {{- if or $pod.volumes $ca }}
    volumes:
      {{- if $ca }}
      {{- include "loan-model.bucketCaVolume" .root | nindent 6 }}
      {{- end }}
      {{- with $pod.volumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    {{- with include "loan-model.storageContainer" .root }}
    storageContainerName: {{ . }}
    {{- end }}
    model:
      modelFormat:
        name: loan-model
        version: "1"
      runtime: {{ include "loan-model.fullname" .root }}
      protocolVersion: v2
      storageUri: {{ include "loan-model.versionUri" . }}
      env:
        # A server that was given another version, or none, ends and says so.
        - name: LOAN_VERSION
          value: {{ .version }}
        {{- with $pod.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- $credentials := include "loan-model.recordsEnvFrom" (dict "root" .root "secret" .root.Values.records.bucket.secret) }}
      {{- if or $credentials $pod.envFrom }}
      envFrom:
        {{- with $credentials }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $pod.envFrom }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      {{- if or $pod.volumeMounts $ca }}
      volumeMounts:
        {{- if $ca }}
        # Knative refuses a volume that no container mounts, and sees none of the initializer.
        {{- include "loan-model.bucketCaMount" .root | nindent 8 }}
        {{- end }}
        {{- with $pod.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      {{- with .port }}
      ports:
        - {{ toYaml . | nindent 10 | trim }}
      # Knative sends this probe to the port above, whatever it names, and the gRPC port answers no HTTP/1.
      livenessProbe:
        {{- if eq .name "h2c" }}
        tcpSocket:
          port: {{ .containerPort }}
        {{- else }}
        httpGet:
          path: /v2/health/live
          port: {{ .containerPort }}
        {{- end }}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      {{- end }}
      resources:
        {{- toYaml .root.Values.serving.resources | nindent 8 }}
{{- end }}

{{- define "loan-model.podsStandard" -}}
{{- $serving := .root.Values.serving -}}
minReplicas: {{ $serving.replicas.min }}
maxReplicas: {{ $serving.replicas.max }}
scaleMetric: cpu
scaleTarget: {{ $serving.replicas.cpuUtilization }}
deploymentStrategy:
  type: RollingUpdate
  rollingUpdate:
    maxSurge: 1
    maxUnavailable: 0
automountServiceAccountToken: {{ eq (include "loan-model.judged" .root) "true" }}
terminationGracePeriodSeconds: {{ $serving.terminationGracePeriodSeconds }}
securityContext:
  {{- include "loan-model.podSecurityContext" .root | nindent 2 }}
{{- with $serving.topologySpread }}
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
{{- end }}

{{/*
Knative sees to the end of a pod itself, and refuses most fields of a pod. A revision keeps the least number of pods
that it was made with, so the least of a canary becomes that of stable by a new revision.
*/}}
{{- define "loan-model.podsKnative" -}}
{{- $values := .root.Values -}}
{{- if $values.canary.version }}
canaryTrafficPercent: {{ $values.canary.weight }}
minReplicas: {{ $values.knative.canaryMinReplicas }}
{{- else }}
{{- if include "loan-model.takenBack" . }}
canaryTrafficPercent: 0
{{- end }}
minReplicas: {{ $values.serving.replicas.min }}
{{- end }}
maxReplicas: {{ $values.serving.replicas.max }}
scaleMetric: concurrency
scaleTarget: {{ $values.knative.concurrency }}
{{- if not (include "loan-model.judged" .root) }}
automountServiceAccountToken: false
{{- end }}
{{- end }}

{{/*
Whether a canary is being taken back: stable's revision has the traffic, and the newest that is ready is of another
version. Knative would send that one all traffic until a new revision of stable is ready.
*/}}
{{- define "loan-model.takenBack" -}}
{{- $service := lookup "serving.kserve.io/v1beta1" "InferenceService" .root.Release.Namespace .name -}}
{{- $status := dig "status" "components" "predictor" dict $service -}}
{{- $old := include "loan-model.revisionVersion" (dict "root" .root "revision" $status.latestRolledoutRevision) -}}
{{- $new := include "loan-model.revisionVersion" (dict "root" .root "revision" $status.latestReadyRevision) -}}
{{- if and (eq $old .version) (ne $new .version) }}true{{ end -}}
{{- end }}

{{/* The version that a revision of Knative serves; empty where there is no such revision. */}}
{{- define "loan-model.revisionVersion" -}}
{{- if .revision -}}
{{- $revision := lookup "serving.knative.dev/v1" "Revision" .root.Release.Namespace .revision -}}
{{- range dig "spec" "containers" list $revision -}}
{{- range .env -}}
{{- if eq .name "LOAN_VERSION" }}{{ .value }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
