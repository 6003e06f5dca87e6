{{/*
The rules by which what scores is shared between stable and canary, each with a name; all else stays with stable.
A version that the caller names comes first, then the caller's key, then the weight.
Without a canary, and at any weight, they are as many and in the same order: Envoy Gateway names a cluster after a
rule's place, and a place that is new, or leads elsewhere, fails requests until every proxy has heard of it.
*/}}
{{- define "loan-model.sharedRules" -}}
{{- $stable := .Values.stable.version -}}
{{- $canary := .Values.canary.version | default $stable -}}
- name: shared
  to: shared
- name: canary
  to: canary
  version: {{ $canary }}
  header: {type: Exact, name: x-loan-version, value: {{ $canary }}}
- name: stable
  to: stable
  version: {{ $stable }}
  header: {type: Exact, name: x-loan-version, value: {{ $stable }}}
- name: key-canary
  to: canary
  header: {type: RegularExpression, name: x-loan-key, value: {{ include "loan-model.keysBelow" (int .Values.canary.weight) | quote }}}
- name: key-stable
  to: stable
  header: {type: RegularExpression, name: x-loan-key, value: ".*[0-9][0-9]"}
{{- end }}

{{/* Where a rule leads, `to` stable, canary or what they share, through the `endpoint` of a protocol, in the mode that runs. */}}
{{- define "loan-model.target" -}}
{{- include (printf "loan-model.target%s" .root.Values.mode) . -}}
{{- end }}

{{- define "loan-model.targetStandard" -}}
{{- $name := include "loan-model.fullname" .root -}}
{{- $canary := .root.Values.canary -}}
{{- if and (eq .to "shared") $canary.mirror -}}
filters:
  - type: RequestMirror
    requestMirror:
      percent: {{ $canary.mirror }}
      backendRef:
        name: {{ $name }}-canary-predictor
        port: {{ .endpoint.port }}
{{ end -}}
backendRefs:
{{- $shared := and $canary.version (eq .to "shared") }}
{{- if or (not $canary.version) (ne .to "canary") }}
  - name: {{ $name }}-predictor
    port: {{ .endpoint.port }}
{{- if $shared }}
    weight: {{ sub 100 (int $canary.weight) }}
{{- end }}
{{- end }}
{{- if and $canary.version (ne .to "stable") }}
  - name: {{ $name }}-canary-predictor
    port: {{ .endpoint.port }}
{{- if $shared }}
    weight: {{ $canary.weight }}
{{- end }}
{{- end }}
{{- end }}

{{/* Knative shares under one host name; a revision alone has another, which KServe's tags `latest` and `prev` begin. */}}
{{- define "loan-model.targetKnative" -}}
{{- $root := .root -}}
{{- $weight := int $root.Values.canary.weight -}}
{{- $tag := "" -}}
{{- if and $root.Values.canary.version (eq .to "canary") -}}
{{- $tag = "latest-" -}}
{{- else if and (eq .to "stable") (gt $weight 0) (lt $weight 100) -}}
{{- $tag = "prev-" -}}
{{- end -}}
filters:
  - type: URLRewrite
    urlRewrite:
      hostname: {{ $tag }}{{ include "loan-model.fullname" $root }}{{ .endpoint.suffix }}-predictor.{{ $root.Release.Namespace }}.svc.{{ $root.Values.knative.clusterDomain }}
backendRefs:
  - name: {{ include "loan-model.knativeIngress" $root }}
    namespace: {{ $root.Values.knative.ingress.namespace }}
    port: 80
{{- end }}

{{/* What a key is whose last two digits are a number below the given one, 0 to 100; for 0, what no text is. */}}
{{- define "loan-model.keysBelow" -}}
{{- $tens := div . 10 -}}
{{- $ones := mod . 10 -}}
{{- $parts := list -}}
{{- if $tens }}{{ $parts = append $parts (printf "[0-%d][0-9]" (sub $tens 1)) }}{{ end -}}
{{- if $ones }}{{ $parts = append $parts (printf "%d[0-%d]" $tens (sub $ones 1)) }}{{ end -}}
.*({{ join "|" $parts | default "[^\\s\\S]" }})
{{- end }}

{{/* The names of the rules that lead to a prediction, and so may be asked twice. */}}
{{- define "loan-model.repeatableRules" -}}
{{- $names := list -}}
{{- range $endpoint := include "loan-model.endpoints" . | fromYamlArray -}}
{{- $names = append $names $endpoint.name -}}
{{- range include "loan-model.sharedRules" $ | fromYamlArray -}}
{{- $names = append $names (printf "%s-%s" $endpoint.name .name) -}}
{{- end -}}
{{- end -}}
{{- toYaml $names -}}
{{- end }}

{{/*
What each protocol is reached by: its port in Standard mode, the suffix of its service in Knative mode, the paths that
score, by prefix and exactly, and the rest of the paths, which stay with stable.
*/}}
{{- define "loan-model.endpoints" -}}
{{- $grpc := "/inference.GRPCInferenceService" -}}
{{- if or (eq .Values.mode "Standard") .Values.knative.grpc }}
- name: grpc
  port: 8081
  suffix: -grpc
  rest:
    - {name: grpc, type: PathPrefix, value: {{ $grpc }}}
  exact: [{{ $grpc }}/ModelInfer, {{ $grpc }}/ModelMetadata, {{ $grpc }}/ModelReady]
{{- end }}
- name: rest
  port: 80
  suffix: ""
  rest:
    - {name: train, type: Exact, value: /train}
    - {name: rest, type: PathPrefix, value: /}
  prefix: [/v2/models/{{ .Values.model.name }}]
  exact: [/predict, /predict_batch, "/v1/models/{{ .Values.model.name }}:predict"]
{{- end }}
