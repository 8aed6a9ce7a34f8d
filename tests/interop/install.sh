#!/bin/sh
# Installs the Debian packages of the clients that the interop suite drives, of Git and of registries (and Apache, the peer of the benchmarks). Run as root.
set -eu
packages='git git-lfs jgit-cli python3-dulwich python3-pygit2 apache2 skopeo podman buildah umoci crun'
missing=
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of words
apt-get install -y -qq --no-install-recommends $missing >/dev/null
