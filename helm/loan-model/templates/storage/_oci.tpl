{{/* A version as KServe names it. Call it with a dict of `root` and `version`. */}}
{{- define "loan-model.versionUri" -}}
{{ include "loan-model.storageUri" .root }}{{ ternary ":" "/" (eq .root.Values.storage.type "oci") }}{{ .version }}
{{- end }}

{{/* Who pulls the server's image and, from a container registry, the versions. */}}
{{- define "loan-model.servingPullSecrets" -}}
{{- $secrets := .Values.image.pullSecrets -}}
{{- if eq .Values.storage.type "oci" }}{{ $secrets = append $secrets .Values.storage.oci.secret | compact | uniq }}{{ end -}}
{{- range $secrets }}
- name: {{ . }}
{{- end }}
{{- end }}

{{- define "loan-model.hasOciSecret" -}}
{{- if and (eq .Values.storage.type "oci") .Values.storage.oci.secret }}true{{ end }}
{{- end }}

{{- define "loan-model.ociFolder" -}}
/etc/oci
{{- end }}

{{- define "loan-model.ociEnv" -}}
{{- if include "loan-model.hasOciSecret" . }}
- name: DOCKER_CONFIG
  value: {{ include "loan-model.ociFolder" . }}
{{- end }}
{{- end }}

{{- define "loan-model.ociVolume" -}}
- name: oci
  secret:
    secretName: {{ .Values.storage.oci.secret }}
    items:
      - {key: .dockerconfigjson, path: config.json}
{{- end }}
