#!/bin/sh
# Installs the clients that tests/npm runs (clients/package.json, with the hashes of clients/package-lock.json) into a cache folder of the user's; prints where they lie.
# Nothing of theirs is run: bun and pnpm bring their programs in a package for each platform, which is taken from there.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
lock=$(sha256sum "$here/clients/package.json" "$here/clients/package-lock.json" | sha256sum | cut -c 1-16)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/stemma/npm-clients-$lock
if [ ! -e "$folder/installed" ]; then
  rm -rf "$folder.$$"
  mkdir -p "$folder.$$"
  cp "$here/clients/package.json" "$here/clients/package-lock.json" "$folder.$$"
  # Not `npm ci`: it refuses a lockfile that lacks a platform package that the registry in use doesn't have (see the Makefile).
  (cd "$folder.$$" && npm install --no-save --ignore-scripts --no-audit --no-fund --no-progress --loglevel=error >&2)
  touch "$folder.$$/installed"
  # another run may have been faster
  mv -T "$folder.$$" "$folder" 2>/dev/null || rm -rf "$folder.$$"
fi
echo "$folder"
