# The targets are the project's interface. Each one sets up and builds what it
# needs by itself; `make help` lists them. The steps are in setup/.

# Settings of `make serve` and `make bench`, from the command line or the environment.
APP ?= examples/hello/app.wsgi
PORT ?= 8000
FREE_THREADING ?= On
PROCESSES ?= 0
BENCH_ARGS ?=
export APP PORT FREE_THREADING PROCESSES

# The step .toolchain has said which it is, and why.
PYTHON_OF_MODULE = $$(setup/python.sh --quiet)

.PHONY: help setup build serve test lint sanitize bench figures docs wheel sdist deb install print-python print-module .toolchain
.DEFAULT_GOAL := help

help: ## List the targets.
	@echo 'mod_wsgi in Rust. PYTHON=/path/to/python3 chooses the interpreter, else one is found or built.'
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1	/p' $(MAKEFILE_LIST) | while IFS='	' read -r target text; do \
	  printf '  make %-13s %s\n' "$$target" "$$text"; done

setup: .toolchain ## Install everything this machine needs (packages, a free-threaded Python, what the tests import).
	@setup/venv.sh "$(PYTHON_OF_MODULE)" tests/requirements.txt tests/requirements-if-wheel.txt >/dev/null

build: .toolchain ## Build mod_wsgi.so.
	@module=$$(setup/build.sh "$(PYTHON_OF_MODULE)") && echo "built $$module"

serve: .toolchain ## Serve APP=examples/hello/app.wsgi on PORT=8000 with FREE_THREADING=On, in PROCESSES=0 daemons; Ctrl-C stops.
	@"$(PYTHON_OF_MODULE)" setup/serve.py

test: .toolchain ## Run all tests (unit tests, then the module in a real httpd).
	@setup/with-modules.sh setup/test.sh --no-fail-fast

lint: .toolchain ## Check format, lints and dependencies.
	@setup/lint.sh

sanitize: .toolchain ## Run unit tests under the thread and the address sanitizer.
	@setup/sanitize.sh

bench: .toolchain ## Measure against a C handler and other servers; BENCH_ARGS=... are given to benches/bench.py.
	@setup/with-modules.sh /usr/bin/python3 benches/bench.py $(BENCH_ARGS)

docs: ## Build the documentation as a web site and print the path of its first page.
	@setup/docs.sh

figures: ## Make tables and pictures from docs/performance/results.json, and put its figures into documents.
	@python3 benches/plot.py

wheel: .toolchain ## Build the Python distribution for PYTHON and print the path of the wheel.
	@setup/wheel.sh "$(PYTHON_OF_MODULE)"

sdist: .toolchain ## Build the source distribution and print its path; pip makes a wheel of it.
	@setup/sdist.sh "$(PYTHON_OF_MODULE)"

deb: .toolchain ## Build the Debian package for PYTHON and print its path (DEBEMAIL='Name <address>' signs it).
	@setup/deb.sh "$(PYTHON_OF_MODULE)"

install: .toolchain ## Copy the module to httpd's modules (below DESTDIR) and print the lines that load it.
	@setup/install.sh "$(PYTHON_OF_MODULE)"

print-python: .toolchain ## Print the interpreter that is built against (use with make -s).
	@setup/python.sh --quiet

print-module: .toolchain ## Print the path of the built mod_wsgi.so (use with make -s).
	@setup/build.sh "$(PYTHON_OF_MODULE)"

.toolchain:
	@setup/toolchain.sh
