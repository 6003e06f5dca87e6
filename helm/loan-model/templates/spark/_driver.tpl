{{/* What a driver in a Job's pod has beside its command's own. */}}
{{- define "loan-model.sparkDriverEnv" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
{{- end }}

{{/* Call it with the values of `driver`. */}}
{{- define "loan-model.sparkDriverResources" -}}
{{- $memory := dict "memory" (include "loan-model.sparkMemory" .) -}}
requests:
  {{- merge dict $memory (.resources.requests | default dict) | toYaml | nindent 2 }}
limits:
  {{- merge dict $memory (.resources.limits | default dict) | toYaml | nindent 2 }}
{{- end }}

{{- define "loan-model.sparkDriverMount" -}}
- name: spark
  mountPath: {{ include "loan-model.sparkFolder" . }}
  readOnly: true
{{- end }}

{{/* Call it with a dict of `root` and `part`. */}}
{{- define "loan-model.sparkDriverVolume" -}}
- name: spark
  configMap:
    name: {{ include "loan-model.fullname" .root }}-{{ .part }}
{{- end }}

{{- define "loan-model.sparkMounts" -}}
- name: tmp
  mountPath: /tmp
- name: spark-local-dir-1
  mountPath: {{ include "loan-model.sparkLocalFolder" . }}
{{- end }}

{{/* Call it with the values of `sizes`. */}}
{{- define "loan-model.sparkVolumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ .tmp }}
# The name by which Spark finds it, instead of a volume of its own without a limit.
- name: spark-local-dir-1
  emptyDir:
    sizeLimit: {{ .local }}
{{- end }}
