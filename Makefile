# The course in three commands: make book, make lab, make test. Each sets up what it needs in .venv.
# Variables: PYTHON=python3.12 (which Python to use), PORT=8000, NO_SERVE=1 (make book builds only).

VENV := .venv
COURSE := $(VENV)/bin/course
PORT_OPTION := $(if $(PORT),--port $(PORT))

.PHONY: help book lab setup test check format constraints picture clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 22

# Set up for a purpose (setup.py knows what that takes, and returns at once if all is there) with the
# Python that is asked for, or else the first that fits. -I: nothing of the user's own reaches it.
define SETUP
@python='$(PYTHON)'; [ -n "$$python" ] || python=$$( \
    for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
    "$$p" -I course_lib/cli/setup.py fits 2>/dev/null && echo "$$p" && break; done); \
if [ -z "$$python" ]; then echo "make: the course needs Python 3.11 to 3.14, and finds none." \
    "Install one, or name it: make PYTHON=/path/to/python3.12 $@" >&2; exit 1; fi; \
"$$python" -I -c '' 2>/dev/null || { echo "make: '$$python' is no Python 3 that runs here." >&2; exit 1; }; \
"$$python" -I course_lib/cli/setup.py
endef
CHOSEN := $(if $(PYTHON),chosen)

book: ## set up what building takes, build the book, serve it on this machine
	$(SETUP) book $(CHOSEN)
	@$(COURSE) book $(if $(NO_SERVE),--no-serve) $(PORT_OPTION)

lab: ## set up chapters and assignments, open JupyterLab on the course
	$(SETUP) lab $(CHOSEN)
	@$(COURSE) lab $(PORT_OPTION)

setup: ## set up chapters, assignments, grading and the book, open nothing
	$(SETUP) lab $(CHOSEN)
	$(SETUP) book $(CHOSEN)

test: ## set up everything, run the tests (LONG=1: also what is long and rarely breaks)
	$(SETUP) test $(CHOSEN)
	@$(COURSE) doctor --need test --install
	@$(COURSE) test $(if $(LONG),--long)

check: ## set up everything, run the quick checks (two minutes)
	$(SETUP) test $(CHOSEN)
	@$(COURSE) test --fast

format: ## put the style of all files right (sets up ruff alone, if nothing is there)
	$(SETUP) style $(CHOSEN)
	@$(VENV)/bin/ruff check --fix --quiet; found=$$?; $(VENV)/bin/ruff format && exit $$found

# The pins, made from pyproject.toml for all its Pythons and systems at once. The CUDA packages that
# one build of torch pins by itself are taken out.
constraints: ## make constraints.txt anew from pyproject.toml (UPGRADE=1: newest versions)
	$(SETUP) test $(CHOSEN)
	@cp constraints.txt $(VENV)/pins.txt
	@$(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --fork-strategy fewest --all-extras \
	    --no-annotate --custom-compile-command "make constraints" $(if $(UPGRADE),--upgrade) \
	    -o $(VENV)/pins.txt pyproject.toml > /dev/null
	@sed -i.old -E '/^(nvidia|cuda|triton)[-=]/d' $(VENV)/pins.txt
	@cmp -s $(VENV)/pins.txt constraints.txt && echo "constraints.txt: nothing changed." \
	    || { cp $(VENV)/pins.txt constraints.txt && echo "constraints.txt is new; see git diff."; }

picture: ## make the picture of README.md anew
	$(SETUP) test $(CHOSEN)
	@$(COURSE) book --no-serve
	@$(VENV)/bin/python -m course_lib.cli.picture

clean: ## remove all that the tools made, the environment too
	rm -rf $(VENV) _build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
