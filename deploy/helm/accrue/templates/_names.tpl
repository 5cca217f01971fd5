{{- define "accrue.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "accrue.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "accrue.labels" -}}
{{ include "accrue.selectorLabels" . }}
app.kubernetes.io/version: {{ default .Chart.AppVersion .Values.image.tag | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "accrue.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "accrue.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "accrue.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "accrue.programmeConfigMap" -}}
{{- default (printf "%s-programme" (include "accrue.fullname" .)) .Values.programme.existingConfigMap -}}
{{- end -}}

{{/* The configuration with what the chart knows itself. */}}
{{- define "accrue.config" -}}
{{- $http := dict "listen" (printf ":%d" (int .Values.http.port)) "viewer_token_file" "/run/secrets/accrue-tokens/viewer" -}}
{{- if .Values.http.tokens.operatorKey -}}
{{- $_ := set $http "operator_token_file" "/run/secrets/accrue-tokens/operator" -}}
{{- end -}}
{{- $own := dict "data" "/var/lib/accrue" "programme" "/etc/accrue/programme" "http" $http -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $own) -}}
{{- end -}}

{{/* The configuration of the job that makes topics: another user, no port. */}}
{{- define "accrue.topicsConfig" -}}
{{- $own := dict "http" (dict "listen" "off") -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) (deepCopy .Values.topicsJob.config) $own) -}}
{{- end -}}

{{- define "accrue.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "accrue.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "accrue.secretVolumes" -}}
{{- range .Values.secretMounts }}
- name: secret-{{ .name }}
  secret: {secretName: {{ .secretName | quote }}, defaultMode: 0440}
{{- end }}
{{- end -}}

{{- define "accrue.secretVolumeMounts" -}}
{{- range .Values.secretMounts }}
- {name: secret-{{ .name }}, mountPath: /run/secrets/accrue/{{ .name }}, readOnly: true}
{{- end }}
{{- end -}}

{{/* The ports of brokers, registry and token endpoint, once each. */}}
{{- define "accrue.egressPorts" -}}
{{- $ports := list -}}
{{- range .Values.config.kafka.brokers -}}
{{- $ports = append $ports (splitList ":" . | last | int) -}}
{{- end -}}
{{- $urls := list .Values.config.registry.url -}}
{{- with .Values.config.kafka.sasl -}}{{- with .token_url -}}{{- $urls = append $urls . -}}{{- end -}}{{- end -}}
{{- range $urls -}}
{{- $u := urlParse . -}}
{{- if regexMatch ":[0-9]+$" $u.host -}}
{{- $ports = append $ports (splitList ":" $u.host | last | int) -}}
{{- else if eq $u.scheme "https" -}}
{{- $ports = append $ports 443 -}}
{{- else -}}
{{- $ports = append $ports 80 -}}
{{- end -}}
{{- end -}}
{{- range .Values.networkPolicy.egressPorts -}}
{{- $ports = append $ports (int .) -}}
{{- end -}}
{{- $ports | uniq | join "," -}}
{{- end -}}
