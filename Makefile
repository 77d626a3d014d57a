# Thin on purpose: every line is a command that a person could type. Windows and conda: see README.md.
#   make lab               open the course in JupyterLab
#   make test              all tests, and every notebook in the smoke profile with no network for data
#   make run CHAPTER=03    run one chapter (or all of them) and show what it reached
PYTHON ?= python3
VENV ?= .venv
CHAPTER ?=

lab: setup
	$(VENV)/bin/aigc-course lab

test: setup
	$(VENV)/bin/aigc-course test

run: setup
	$(VENV)/bin/aigc-course run $(CHAPTER)

doctor: setup
	$(VENV)/bin/aigc-course doctor

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -c constraints.txt -e '.[lab,dev]'
	touch $(VENV)/.installed

.PHONY: lab test run doctor setup
