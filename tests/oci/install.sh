#!/bin/sh
# Builds the OCI's conformance suite for registries (pinned; a Go program, checked against Go's checksum database) into build/. Prints where it lies, or exits
# with 3 and one line that says why it can't be built here.
set -eu
version=v0.0.0-20260831232431-97274622c111
folder=$(cd "$(dirname "$0")/../.." && pwd)/build/oci-conformance-$version
if [ ! -x "$folder/conformance" ]; then
  command -v go >/dev/null || { echo 'skipped: no Go here, and Debian’s is too old to build the suite (it wants 1.24)'; exit 3; }
  release=$(go env GOVERSION | sed -E 's/^go([0-9]+\.[0-9]+).*/\1/')
  [ "$(printf '%s\n1.24\n' "$release" | sort -V | head -n 1)" = 1.24 ] || { echo "skipped: Go $release is too old to build the suite (it wants 1.24)"; exit 3; }
  GOBIN=$folder GOFLAGS=-buildvcs=false go install "github.com/opencontainers/distribution-spec/conformance@$version" >&2
fi
echo "$folder/conformance"
