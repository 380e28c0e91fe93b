# Varve: each target does its own set-up, so that it works from a fresh clone.

SHELL := /bin/bash
PATH := $(PATH):/opt/swift/usr/bin:/usr/share/swift/usr/bin
export PATH
# The backtracer of a crashed program can outlive it and hold its output open.
export SWIFT_BACKTRACE := enable=no

SWIFT_SOURCES = Package.swift Sources Tests
PYTHON = .venv/bin/python
PREFIX ?= /usr/local

.PHONY: help setup packages python build docs demo install test test-swift test-interop proof bench bench-tables bench-delivery format lint clean

help:
	@echo 'make demo    runs the tour of the README and shows what it prints'
	@echo 'make install puts the command, its manual page and completions below PREFIX (/usr/local)'
	@echo 'make test    runs every test'
	@echo 'make proof   runs the long sweeps of the tests, whole'
	@echo 'make bench   measures Varve against its peers'
	@echo 'make docs    makes the reference of the library, in .build/reference'
	@echo 'make setup   installs what the others need (each calls it by itself)'
	@echo 'make format  formats the sources; make lint checks that they are'
	@echo 'make clean   removes what was built'

setup: packages python

packages:
	@Tests/setup/packages

python: packages
	@Tests/setup/python-environment

build: packages
	swift build -c release --product varve

docs: build
	Tests/setup/reference .build/release .build/reference

demo: build
	@Tests/setup/demo

SHARE = $(DESTDIR)$(PREFIX)/share

# Builds nothing, so that it can run as another user.
install:
	@test -x .build/release/varve || { echo 'there is no .build/release/varve yet; run make build' >&2; exit 1; }
	install -D -m 755 .build/release/varve $(DESTDIR)$(PREFIX)/bin/varve
	install -D -m 644 <(.build/release/varve man) $(SHARE)/man/man1/varve.1
	install -D -m 644 <(.build/release/varve completion bash) $(SHARE)/bash-completion/completions/varve
	install -D -m 644 <(.build/release/varve completion zsh) $(SHARE)/zsh/site-functions/_varve
	install -D -m 644 <(.build/release/varve completion fish) $(SHARE)/fish/vendor_completions.d/varve.fish

test: test-swift test-interop

test-swift: setup
	swift build -c release --build-tests
	VARVE_PYTHON="$(CURDIR)/$(PYTHON)" swift test -c release --skip-build

test-interop: setup build
	$(PYTHON) -m pytest -q Tests/Interop

proof: setup
	swift build -c release --build-tests
	VARVE_PROOF=1 VARVE_PYTHON="$(CURDIR)/$(PYTHON)" swift test -c release --skip-build
	swift build -c release --product varve
	VARVE_PROOF=1 $(PYTHON) -m pytest -q Tests/Interop

bench: setup build
	$(PYTHON) Benchmarks/run.py

bench-tables: setup build
	$(PYTHON) Benchmarks/tables.py

bench-delivery: setup build
	$(PYTHON) Benchmarks/delivery.py

format:
	swift format -i -p -r --configuration .swift-format $(SWIFT_SOURCES)

lint:
	swift format lint --strict -p -r --configuration .swift-format $(SWIFT_SOURCES)

clean:
	rm -rf .build .demo .pytest_cache
