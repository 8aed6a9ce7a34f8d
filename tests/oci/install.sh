#!/bin/sh
# Builds a Go program of the registry's tests (pinned, checked against Go's checksum database) into a cache folder of the user's: the OCI's conformance suite, or
# one of the clients. Prints where it lies, or exits with 3 and one line that says why it can't be built here.
#   install.sh conformance|oras|crane|cosign|helm
set -eu
name=$1
case $name in
  conformance) module=github.com/opencontainers/distribution-spec/conformance version=v0.0.0-20260831232431-97274622c111 wants=1.24 ;;
  oras) module=oras.land/oras/cmd/oras version=v1.3.6 wants=1.26 ;;
  crane) module=github.com/google/go-containerregistry/cmd/crane version=v0.22.1 wants=1.25 ;;
  cosign) module=github.com/sigstore/cosign/v2/cmd/cosign version=v2.6.5 wants=1.25 ;;
  helm) module=helm.sh/helm/v3/cmd/helm version=v3.22.0 wants=1.26 ;;
  *) echo "no such program: $name" >&2; exit 2 ;;
esac
folder=${XDG_CACHE_HOME:-$HOME/.cache}/stemma/$name-$version
if [ ! -x "$folder/$name" ]; then
  command -v go >/dev/null || { echo "skipped: no Go here, and Debian’s is too old to build $name (it wants $wants)"; exit 3; }
  release=$(go env GOVERSION | sed -E 's/^go([0-9]+\.[0-9]+).*/\1/')
  [ "$(printf '%s\n%s\n' "$release" "$wants" | sort -V | head -n 1)" = "$wants" ] || { echo "skipped: Go $release is too old to build $name (it wants $wants)"; exit 3; }
  GOBIN=$folder GOFLAGS=-buildvcs=false go install "$module@$version" >&2
fi
echo "$folder/$name"
