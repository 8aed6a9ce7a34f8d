# Stemma. `make serve` and `make test` are all that a newcomer needs; each installs what is missing first.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Not $(wildcard): make remembers folders as they were before npm ci ran.
node = $(firstword $(shell echo node_modules/node-*/bin/node))
ARGS ?= --data ./data --listen 127.0.0.1:8080
tests ?= 

.PHONY: help
help: ## What can be made here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

node_modules/.installed: package.json package-lock.json
	npm ci --ignore-scripts --no-progress --loglevel=error
	@touch $@

build/pack.wasm: node_modules/.installed $(shell find kernels/assembly kernels/build.ts -type f 2>/dev/null)
	$(node) kernels/build.ts

.PHONY: install
install: node_modules/.installed build/pack.wasm ## Installs Node 24, PostgreSQL 18 and the libraries; builds the kernels

.PHONY: serve
serve: install ## Runs the server (ARGS="--data DIR --listen HOST:PORT")
	exec ./bin/stemma serve $(ARGS)

.PHONY: test
test: install ## Unit tests and the tests against the embedded server
	$(node) --test --test-reporter=spec 'src/**/*.test.ts' 'kernels/**/*.test.ts' 'tests/server/**/*.test.ts'

.PHONY: ms-migrate
ms-migrate: node_modules/.installed ## Brings the database's schema up to date (DATABASE_URL, config.yaml, or ./data)
	./bin/stemma migrate $(if $(wildcard config.yaml),--config config.yaml)

.PHONY: ms-gen
ms-gen: node_modules/.installed ## Generates src/db/schema.gen.ts from the schema that the migrations make
	$(node) src/db/generate-schema.ts

.PHONY: check
check: install ## Types, lint, format
	node_modules/.bin/tsc -p .
