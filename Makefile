# The course in three commands: make book, make test, make lab. Each sets up all it needs.
# Variables: PYTHON=python3.12 (which Python to use), PORT=8000, NO_SERVE=1 (make book builds only).

VENV := .venv
READY := $(VENV)/.ready
COURSE := $(VENV)/bin/course
PORT_OPTION := $(if $(PORT),--port $(PORT))

.PHONY: help book lab test check constraints clean FORCE
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 22

book: $(READY) ## set up, build the book, serve it on this machine
	@$(COURSE) book $(if $(NO_SERVE),--no-serve) $(PORT_OPTION)

lab: $(READY) ## set up, open JupyterLab on the course
	@$(COURSE) lab $(PORT_OPTION)

test: $(READY) ## set up, run every test
	@$(COURSE) doctor --need test --install
	@$(COURSE) test

check: $(READY) ## set up, run the quick checks (two minutes)
	@$(COURSE) test --fast

# The environment counts as ready only when the stamp is there, which is written last and says where:
# a folder that was moved or copied is set up anew.
ifneq ($(shell cat $(READY) 2>/dev/null),$(CURDIR))
$(READY): FORCE
endif
$(READY): pyproject.toml constraints.txt
	@rm -f $(READY)
	@python=$$(for p in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14 python; do \
	    "$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null \
	    && echo "$$p" && break; done); \
	if [ -z "$$python" ]; then echo "make: the course needs Python 3.11 to 3.14, and finds none." \
	    "Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; fi; \
	echo "Setting up $(VENV) with $$("$$python" -V) (some minutes the first time) ..."; \
	[ "$$($(VENV)/bin/python -c 'import pip, sys; print(sys.prefix)' 2>/dev/null)" = "$(CURDIR)/$(VENV)" ] \
	|| "$$python" -m venv --clear $(VENV) || { echo "make: $$python cannot make a virtual environment." \
	    "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(VENV)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[all]"
	@$(VENV)/bin/python -c "import matplotlib.font_manager" # makes its font list now, not in a chapter
	@printf '%s' "$(CURDIR)" > $(READY)

# The pins, made from pyproject.toml for all its Pythons and systems at once. The CUDA packages that
# one build of torch pins by itself are taken out.
constraints: $(READY) ## make constraints.txt anew from pyproject.toml (UPGRADE=1: newest versions)
	@cp constraints.txt $(VENV)/pins.txt
	@$(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --fork-strategy fewest --all-extras \
	    --no-annotate --custom-compile-command "make constraints" $(if $(UPGRADE),--upgrade) \
	    -o $(VENV)/pins.txt pyproject.toml > /dev/null
	@sed -i.old -E '/^(nvidia|cuda|triton)[-=]/d' $(VENV)/pins.txt
	@cmp -s $(VENV)/pins.txt constraints.txt && echo "constraints.txt: nothing changed." \
	    || { cp $(VENV)/pins.txt constraints.txt && echo "constraints.txt is new; see git diff."; }

clean: ## remove all that the tools made, the environment too
	rm -rf $(VENV) _build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
