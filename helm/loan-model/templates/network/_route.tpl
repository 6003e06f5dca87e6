{{/*
How what scores is shared between stable and canary, as a list of rules: by the version that the caller names, else by
the caller's key, else by weight. Rules are only ever added at the end and none leaves while there is a canary: Envoy
Gateway knows a rule by its place, and one that took the place of another would get its requests for a moment.
*/}}
{{- define "loan-model.sharedRules" -}}
{{- $canary := .Values.canary -}}
{{- $split := list (dict "service" "predictor" "weight" (sub 100 (int $canary.weight))) -}}
{{- if $canary.version -}}
{{- $split = append $split (dict "service" "canary-predictor" "weight" (int $canary.weight)) -}}
{{- end -}}
{{- $rules := list (dict "name" "shared" "backends" $split "mirror" (and $canary.version (int $canary.mirror))) -}}
{{- if $canary.version -}}
{{- $stable := list (dict "service" "predictor" "weight" 1) -}}
{{- $other := list (dict "service" "canary-predictor" "weight" 1) -}}
{{- $version := dict "name" "x-loan-version" "type" "Exact" -}}
{{- $key := dict "name" "x-loan-key" "type" "RegularExpression" -}}
{{- $rules = append $rules (dict "name" "canary" "version" $canary.version "header" (set (deepCopy $version) "value" $canary.version) "backends" $other) -}}
{{- $rules = append $rules (dict "name" "stable" "version" .Values.stable.version "header" (set (deepCopy $version) "value" .Values.stable.version) "backends" $stable) -}}
{{- $rules = append $rules (dict "name" "canary-key" "header" (set (deepCopy $key) "value" (include "loan-model.keysBelow" $canary.weight)) "backends" $other) -}}
{{- $rules = append $rules (dict "name" "stable-key" "header" (set (deepCopy $key) "value" ".*[0-9][0-9]") "backends" $stable) -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end }}

{{/* What a key looks like whose last two digits are a number below the given one, 0 to 100. */}}
{{- define "loan-model.keysBelow" -}}
{{- $tens := div . 10 | int -}}
{{- $ones := mod . 10 | int -}}
{{- $parts := list -}}
{{- if $tens }}{{ $parts = append $parts (printf "[0-%d][0-9]" (sub $tens 1)) }}{{ end -}}
{{- if $ones }}{{ $parts = append $parts (printf "%d[0-%d]" $tens (sub $ones 1)) }}{{ end -}}
{{- if $parts -}}
.*({{ join "|" $parts }})
{{- else -}}
nobody's
{{- end -}}
{{- end }}

{{/* The names of the rules that lead to a prediction, and so may be asked twice. */}}
{{- define "loan-model.repeatableRules" -}}
{{- $names := list "grpc" "rest" -}}
{{- range $rule := include "loan-model.sharedRules" . | fromYamlArray -}}
{{- range tuple "grpc" "rest" -}}
{{- $names = append $names (printf "%s-%s" . $rule.name) -}}
{{- end -}}
{{- end -}}
{{- toYaml $names -}}
{{- end }}
