#!/bin/sh
# Everything that can be said about the code without running it. Offline.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/node_modules/.bin:$PATH

step() { printf '== %s\n' "$1"; }

step "lint and format"
biome ci --colors=off --error-on-warnings .
step "types"
tsc --noEmit
tsc -p tsconfig.build.json --noEmit
step "proto lint"
buf lint
step "generated code is in step with proto/"
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
buf generate -o "$fresh"
diff -r src/gen "$fresh/src/gen"
step "assurance table"
node .ci/check-assurance.ts
printf 'check: all passed\n'
