# Thin on purpose: every line is a command that a person could type. Windows and conda: see README.md.
#   make lab               open the course in JupyterLab
#   make test              all tests, and every notebook in the smoke profile with no network for data
#   make run CHAPTER=03    run one chapter (or all of them) and show what it reached
#   make doctor            what the machine has, and what to do if something is wrong
# For those who change the course: CONTRIBUTING.md, "Dependencies and releases".
#   make setup             install all that the tests need
#   make pins              does every supported Python accept constraints.txt?
#   make lowest            write constraints-lowest.txt from the lower bounds in pyproject.toml
PYTHON ?= python3
VENV ?= .venv
CHAPTER ?=
RESOLVE = $(VENV)/bin/uv pip compile --quiet --python-version 3.11.0 --only-binary :all: --all-extras pyproject.toml

lab: $(VENV)/.lab
	$(VENV)/bin/aigc-course lab

test: setup
	$(VENV)/bin/aigc-course test

run: $(VENV)/.lab
	$(VENV)/bin/aigc-course run $(CHAPTER)

doctor: $(VENV)/.lab
	$(VENV)/bin/aigc-course doctor

setup: $(VENV)/.dev

$(VENV)/.lab: pyproject.toml constraints.txt
	@echo "The course goes into $(VENV): 360 MB to download, 1.4 GB on disk; about two minutes on a small server with two"
	@echo "CPU cores and a quick network. Linux with PyTorch's usual build: several GB of CUDA libraries more (README.md)."
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --no-compile -c constraints.txt -e '.[lab]'
	touch $@

$(VENV)/.dev: $(VENV)/.lab
	@echo "The tools of the tests go into $(VENV) too: 0.2 GB on disk, half a minute more."
	$(VENV)/bin/python -m pip install --no-compile -c constraints.txt -e '.[lab,dev]'
	touch $@

pins: setup
	$(RESOLVE) --universal -c constraints.txt >/dev/null

lowest: setup
	UV_CUSTOM_COMPILE_COMMAND="make lowest" $(RESOLVE) --resolution lowest-direct --python-platform linux --upgrade \
		--no-annotate --output-file constraints-lowest.txt

.PHONY: lab test run doctor setup pins lowest
