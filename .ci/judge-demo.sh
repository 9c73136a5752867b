#!/bin/sh
# Judges what the demo left, with nothing but OpenSSL and coreutils: usage judge-demo.sh DIR COUNT
set -eu
dir=$1
count=$2
cd "$dir"
fail() { echo "judge: $*" >&2; exit 1; }

serials=$(mktemp)
trap 'rm -f "$serials"' EXIT
n=0
ski=$(openssl x509 -in device-ca.pem -noout -ext subjectKeyIdentifier | tail -n 1 | tr -d ' ')
for device in devices/*/; do
  openssl verify -x509_strict -purpose sslclient -CAfile factory-root.pem -untrusted device-ca.pem "${device}client.pem" >/dev/null
  text=$(openssl x509 -in "${device}client.pem" -noout -text)
  case $text in *"Digital Signature"*) ;; *) fail "$device: keyUsage" ;; esac
  case $text in *"TLS Web Client Authentication"*) ;; *) fail "$device: extKeyUsage" ;; esac
  aki=$(openssl x509 -in "${device}client.pem" -noout -ext authorityKeyIdentifier | tail -n 1 | tr -d ' ')
  [ "${aki#keyid:}" = "$ski" ] || fail "$device: AKI is not the CA's SKI"
  openssl x509 -in "${device}client.pem" -noout -serial >>"$serials"
  [ "$(openssl pkey -in "${device}pkey.pem" -pubout)" = "$(openssl x509 -in "${device}client.pem" -noout -pubkey)" ] || fail "$device: key"
  for file in client.chained root.crt sota.toml; do [ -s "$device$file" ] || fail "$device$file is missing"; done
  n=$((n + 1))
done
[ "$n" = "$count" ] || fail "$n devices, expected $count"
[ "$(sort -u "$serials" | wc -l)" = "$count" ] || fail "serials repeat"

root=$PWD/factory-root.pem
registrations=0
for bundle in outbox/ALB_*/; do
  (cd "$bundle" && openssl cms -verify -binary -inform PEM -in SHA256SUMS.P7S -content SHA256SUMS -CAfile "$root" \
    -no-CApath -no-CAstore -out /dev/null && sha256sum -c --strict SHA256SUMS) >/dev/null 2>&1 || fail "$bundle does not verify"
  before=
  while IFS= read -r line; do
    if [ -n "$before" ]; then
      case $line in *"\"prev\":\"$before\""*) ;; *) fail "$bundle: a prev is not the line before's sha256sum" ;; esac
    fi
    before=$(printf '%s\n' "$line" | sha256sum | cut -d ' ' -f 1)
  done <"${bundle}RECORDS.NDJSON"
  registrations=$((registrations + $(grep -c '"kind":"registration"' "${bundle}RECORDS.NDJSON")))
done
[ "$registrations" = "$count" ] || fail "$registrations registrations in the bundles, expected $count"
[ -s report.html ] || fail "report.html is missing"
echo "judge: $n certificates, $registrations registrations, all good"
