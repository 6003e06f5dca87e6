{{/* What the driver runs. Call it with a dict of `root` and `operator`: whether the Spark operator submits it. */}}
{{- define "loan-model.scoringArgs" -}}
{{- $scoring := .root.Values.scoring -}}
- predict
- --engine=spark
- --master={{ include "loan-model.sparkMaster" . }}
- {{ printf "--input=%s" $scoring.input | quote }}
{{- with $scoring.inputFormat }}
- --input-format={{ . }}
{{- end }}
{{- range $key, $value := $scoring.inputOptions }}
- {{ printf "--input-option=%s=%s" $key (include "loan-model.plain" $value) | quote }}
{{- end }}
- {{ printf "--output=%s" $scoring.output | quote }}
- --output-format={{ $scoring.outputFormat }}
{{- range $scoring.partitionBy }}
- {{ printf "--partition-by=%s" . | quote }}
{{- end }}
{{- if $scoring.overwrite }}
- --overwrite
{{- end }}
{{- with $scoring.version }}
- --version={{ . }}
{{- end }}
{{- if $scoring.explain }}
- --explain
{{- end }}
- --most-refused={{ $scoring.mostRefused }}
{{- if not .operator }}
{{- include "loan-model.sparkArgs" (dict "root" .root "part" "scoring") }}
{{- end }}
{{- end }}
