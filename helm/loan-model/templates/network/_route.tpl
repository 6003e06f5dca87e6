{{/*
The rules by which what scores is shared between stable and canary, each with a name; all else stays with stable.
A version that the caller names comes first, then the caller's key, then the weight.
*/}}
{{- define "loan-model.sharedRules" -}}
{{- $weight := int .Values.canary.weight -}}
{{- $rules := list -}}
{{- $stable := dict "service" "predictor" "weight" 1 -}}
{{- $canary := dict "service" "canary-predictor" "weight" 1 -}}
{{- $version := dict "type" "Exact" "name" "x-loan-version" -}}
{{- $key := dict "type" "RegularExpression" "name" "x-loan-key" -}}
{{- $rules = append $rules (dict "name" "canary" "version" .Values.canary.version "header" (merge (dict "value" .Values.canary.version) $version) "backends" (list $canary)) -}}
{{- $rules = append $rules (dict "name" "stable" "version" .Values.stable.version "header" (merge (dict "value" .Values.stable.version) $version) "backends" (list $stable)) -}}
{{- if and (gt $weight 0) (lt $weight 100) -}}
{{- $rules = append $rules (dict "name" "key-canary" "header" (merge (dict "value" (include "loan-model.keysBelow" $weight)) $key) "backends" (list $canary)) -}}
{{- $rules = append $rules (dict "name" "key-stable" "header" (merge (dict "value" ".*[0-9][0-9]") $key) "backends" (list $stable)) -}}
{{- end -}}
{{- $split := list (dict "service" "predictor" "weight" (sub 100 $weight)) (dict "service" "canary-predictor" "weight" $weight) -}}
{{- $rules = append $rules (dict "name" "shared" "backends" $split "mirror" (int .Values.canary.mirror)) -}}
{{- toYaml $rules -}}
{{- end }}

{{/* What a key ends in whose last two digits are a number below the given one, 1 to 99. */}}
{{- define "loan-model.keysBelow" -}}
{{- $tens := div . 10 -}}
{{- $ones := mod . 10 -}}
{{- $parts := list -}}
{{- if $tens }}{{ $parts = append $parts (printf "[0-%d][0-9]" (sub $tens 1)) }}{{ end -}}
{{- if $ones }}{{ $parts = append $parts (printf "%d[0-%d]" $tens (sub $ones 1)) }}{{ end -}}
.*({{ join "|" $parts }})
{{- end }}

{{/* The names of the rules that lead to a prediction, and so may be asked twice. */}}
{{- define "loan-model.repeatableRules" -}}
{{- $names := list "grpc" "rest" -}}
{{- if .Values.canary.version -}}
{{- range $door := tuple "grpc" "rest" -}}
{{- range include "loan-model.sharedRules" $ | fromYamlArray -}}
{{- $names = append $names (printf "%s-%s" $door .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $names -}}
{{- end }}
