# Stemma. `make serve` and `make test` are all that a newcomer needs; each installs what is missing first.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Not $(wildcard): make remembers folders as they were before npm ci ran.
node = $(firstword $(shell echo node_modules/node-*/bin/node))
ARGS ?= --data ./data --listen 127.0.0.1:8080

.PHONY: help
help: ## What can be made here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# Not `npm ci`: it refuses a lockfile that lacks a platform package that the registry in use doesn't have, even for another platform.
# `install --no-save` takes the lockfile's versions all the same, and changes neither file.
node_modules/.installed: package.json package-lock.json
	npm install --no-save --ignore-scripts --no-progress --loglevel=error
	@touch $@

build/pack.wasm: node_modules/.installed $(shell find kernels/assembly kernels/generate kernels/build.ts kernels/sha1-conditions.ts -type f 2>/dev/null)
	$(node) kernels/build.ts

.PHONY: install
install: node_modules/.installed build/pack.wasm ## Installs Node 24, PostgreSQL 18 and the libraries; builds the kernels

.PHONY: serve
serve: install ## Runs the server (ARGS="--data DIR --listen HOST:PORT")
	exec ./bin/stemma serve $(ARGS)

# Compiled sources are kept (as bin/stemma does it): every test file and every server is a process that would compile them again.
run-tests = env NODE_COMPILE_CACHE=$(CURDIR)/build/compile-cache $(node) --test --test-reporter=spec --test-concurrency=2 --test-timeout=600000

.PHONY: test
test: install ## Unit tests, the house's rules, and real clients against the real server
	$(run-tests) 'src/**/*.test.ts' 'kernels/**/*.test.ts' 'tests/house/*.test.ts' 'tests/server/*.test.ts'

.PHONY: test-ceph
test-ceph: install ## The bucket and the server on Ceph RGW and PostgreSQL (installs Debian's Ceph)
	devenv/with-ceph $(run-tests) 'tests/ceph/*.test.ts'

.PHONY: test-interop
test-interop: install ## Other clients of Git and of registries against the server (installs them from Debian)
	bash tests/interop/install.sh
	$(run-tests) 'tests/interop/*.test.ts'

.PHONY: test-oci
test-oci: install ## The OCI's conformance suite for registries, and clients of registries (builds them; needs Go)
	$(node) tests/oci/conformance.ts
	$(run-tests) 'tests/oci/*.test.ts'

.PHONY: test-npm
test-npm: install ## npm's clients against the server: npm, pnpm, both Yarns, bun (installs them)
	bash tests/npm/install.sh
	$(run-tests) 'tests/npm/*.test.ts'

.PHONY: test-nodes
test-nodes: install ## The same clients, and what a stale cache would break, on two nodes over one PostgreSQL and one Ceph RGW, each request to the other
	bash tests/interop/install.sh
	STEMMA_TEST_NODES=2 devenv/with-ceph $(run-tests) 'tests/interop/*.test.ts' \
	  tests/server/{forks,git-access,git-dumb-http,git-hidden-refs,git-push-cert,pack-cache}.test.ts

.PHONY: test-faults
# The simulated runs take the longest, and would come last by their name: they go beside the others.
test-faults: install ## Kills and failing buckets: nothing acknowledged may be lost
	$(run-tests) tests/faults/seeds.test.ts & seeds=$$!; status=0; \
	$(run-tests) $(filter-out %/seeds.test.ts,$(wildcard tests/faults/*.test.ts)) || status=$$?; \
	wait $$seeds && exit $$status

.PHONY: devenv
devenv: install ## Brings up Ceph and PostgreSQL for development and writes config.yaml
	devenv/up

.PHONY: ms-migrate
ms-migrate: node_modules/.installed ## Brings the database's schema up to date (DATABASE_URL, config.yaml, or ./data)
	./bin/stemma migrate $(if $(wildcard config.yaml),--config config.yaml)

.PHONY: ms-gen
ms-gen: node_modules/.installed ## Generates src/db/schema.gen.ts from the schema that the migrations make
	$(node) src/db/generate-schema.ts

.PHONY: check
check: install ## Types, lint, format
	node_modules/.bin/tsc -p .
	node_modules/.bin/oxlint --type-aware --deny-warnings
	node_modules/.bin/biome format

.PHONY: format
format: install ## Formats the sources
	node_modules/.bin/biome format --write

.PHONY: openapi
openapi: install ## Writes docs/openapi.json anew, from the routes and their schemas
	STEMMA_WRITE_OPENAPI=1 $(node) --test tests/house/openapi.test.ts
