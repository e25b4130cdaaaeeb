# One command for each thing that people do here; `make` lists them. On Windows use the pip commands in README.md.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.installed-requirements
CODE := src tests bench .ci $(wildcard notebooks)

.PHONY: help lab book zip test bench lint clean address picture freeze html chromium

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' Makefile

lab: $(READY) ## open the lessons in JupyterLab, live
	$(PY) -m jupyterlab --ServerApp.root_dir=notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

book: html ## build the book, print its address, open it where there is a browser
	@$(PY) .ci/show.py _build/html/index.html

zip: html ## pack the built book into one file to carry along
	@$(PY) .ci/pack.py _build/html dist/vgx-book.zip

test: html chromium ## build the book and run all tests
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: html chromium ## time the engine and the labs, one after the other
	@status=0; for script in bench/bench_*.py; do echo "== $$script"; PYTHONPATH=. $(PY) "$$script" || status=1; done; exit $$status

lint: $(READY) ## check the code's form and which module imports which
	$(PY) -m ruff check $(CODE)
	$(PY) -m ruff format --check $(CODE)
	$(VENV)/bin/lint-imports --no-logo

picture: html chromium ## make README's picture of the lab again
	PYTHONPATH=. $(PY) bench/picture.py

freeze: $(READY) ## write the installed versions into constraints.txt
	@{ echo "# Everything that requirements.txt brings, as tested. Written by: make freeze"; \
	$(PY) -m pip list --format=freeze --exclude-editable --exclude vgx --exclude pip --exclude setuptools --exclude wheel \
	| sed 's/+.*//' | sort -f; } > $(VENV)/constraints.txt
	mv $(VENV)/constraints.txt constraints.txt

address: $(PY) ## write the repository's address everywhere: make address URL=https://github.com/owner/name
	@$(PY) .ci/address.py "$(URL)"

clean: ## remove what was built (not .venv)
	rm -rf _build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests bench notebooks -name __pycache__ -prune -exec rm -rf {} +

html: $(READY) ## build the book
	$(VENV)/bin/jupyter-book build . -W -n --keep-going

chromium: $(READY) ## install the browser that the tests drive, where there is none
	@$(PY) -m tests.browser.chromium

$(PY):
	.ci/venv $(VENV)

$(READY): requirements.txt constraints.txt pyproject.toml $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@
