# Everything runs in .venv, made from pyproject.toml with what requirements.lock.txt names.
PYTHON ?= python3
BIN := .venv/bin
LAB ?= 01_structures
RECORDS ?= labs/07_project/my_project
FOLDER ?= downloaded/07_project/archive
TWO := --numprocesses 2 --no-loadscope-reorder  # on two cores: tests/conftest.py says how
.DEFAULT_GOAL := help
.PHONY: help setup lock demo test test-attacks test-browser doctor lab labs new-lab release submit grade marks semester results slides leaderboard site bench train clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

.venv/installed: pyproject.toml requirements.lock.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Python 3.11 or newer is needed, this is {v.major}.{v.minor}: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv .venv || { echo "python3 cannot make virtual environments: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --progress-bar on --require-hashes --requirement requirements.lock.txt
	$(BIN)/python -m pip install --no-deps --no-build-isolation --editable .
	@touch $@

setup: .venv/installed  ## make .venv with everything in it (other targets do it by themselves)

LOCK := uv pip compile --universal --python-version 3.11 --extra dev --no-emit-index-url --no-annotate --no-header --quiet pyproject.toml
lock: setup  ## take the newest versions that pyproject.toml allows: requirements.lock.txt, constraints.txt
	@mkdir -p build
	(echo '# What `make setup` installs, with hashes, for Linux, macOS and Windows, Python 3.11 to 3.14. Made by `make lock`.'; $(BIN)/$(LOCK) --generate-hashes --upgrade) > build/lock.part
	mv build/lock.part requirements.lock.txt
	(echo '# Every package that the tests passed with, made by `make lock`; requirements.lock.txt has hashes, too.'; $(BIN)/$(LOCK) --constraint requirements.lock.txt) > build/lock.part
	mv build/lock.part constraints.txt

demo: setup  ## the whole course at work, without a browser, in a few minutes
	$(BIN)/python -m pruninglab.grading.demo

test: setup  ## all tests: library, notebooks, grading, style, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(TWO) --durations 20 --ignore tests/browser

test-attacks: setup  ## every hostile, broken and odd notebook, and every known mistake, through the real sandbox
	$(BIN)/python -m tests.grading.test_attacks
	$(BIN)/python -m tests.grading.test_corpus
	$(BIN)/python -m tests.grading.test_oracle

test-browser: setup  ## both chairs in a real browser (Chromium), if there is one; FRESH=1 installs the release anew
	$(BIN)/python -m pytest tests/browser -rs

doctor: setup  ## is this machine ready? ten seconds
	$(BIN)/python -m pruninglab doctor

lab: setup  ## open JupyterLab on the start page of the labs; the address is printed
	$(BIN)/python -m pruninglab start

labs: setup  ## rebuild every notebook from its source
	$(BIN)/python -m solutions.builder.build

new-lab: setup  ## begin a lab of your own: make new-lab NAME=08_mine
	$(BIN)/python -m solutions.builder.new_lab '$(NAME)'

release: setup  ## what students get of a lab, as a zip: make release LAB=01_structures (after the deadline: SOLUTIONS=1)
	$(BIN)/python -m solutions.builder.bundle $(LAB) $(if $(SOLUTIONS),--solutions)

submit: setup  ## look a lab over and pack what a student hands in: make submit LAB=01_structures
	$(BIN)/python -m pruninglab submit $(LAB)

grade: setup  ## grade what students handed in: make grade LAB=01_structures
	$(BIN)/python -m pruninglab.grading --lab $(LAB)

marks: setup  ## after marking by hand: feedback, CSVs and report anew, nothing is graded
	$(BIN)/python -m pruninglab.grading --lab $(LAB) --marks-only

semester: setup  ## all labs in one table, for people and for Moodle, Canvas and Gradescope: make semester ARGS=--help
	$(BIN)/python -m pruninglab.grading.gradebook.semester $(ARGS)

results: setup  ## run the lecture's systems on full CIFAR-10 and draw the results (resumes): make results BUDGET=standard DENSE='1'
	$(BIN)/python -m solutions.study.run $(if $(BUDGET),--budget $(BUDGET)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(DENSE),--dense $(DENSE)) $(if $(SCHEDULER),--scheduler $(SCHEDULER))
	$(BIN)/python -m solutions.study.costs
	$(BIN)/python -m solutions.study.figures
	$(BIN)/python -m solutions.study.tables RESULTS.md pruninglab/assets/results/points.md pruninglab/assets/results/published.md

slides: setup  ## slides for a talk from the records of lab 7: make slides TITLE='...' AUTHOR='...'
	$(BIN)/python -m pruninglab.project.slides $(RECORDS) $(if $(TITLE),--title '$(TITLE)') $(if $(AUTHOR),--author '$(AUTHOR)')

leaderboard: setup  ## measure the networks that a class handed in (lab 7): make leaderboard FOLDER=Lab-77.zip
	$(BIN)/python -m pruninglab.grading.leaderboard.measure '$(FOLDER)'

site: setup  ## the course as a website, in build/site/html: labs, results, guides
	$(BIN)/python -m solutions.builder.site

bench: setup  ## measure speed side by side: build/bench.md, bench-latency.md, bench-layouts.md, bench-grading.md
	$(BIN)/python -m pruninglab.dev.bench
	$(BIN)/python -m solutions.lab5_speed.bench
	$(BIN)/python -m solutions.study.layouts
	$(BIN)/python -m pruninglab.grading.bench

train: setup  ## train the shipped checkpoints again (hours on a CPU, minutes on a GPU; resumes)
	$(BIN)/python -m pruninglab.checkpoints train --width 16 8 4
	$(BIN)/python -m pruninglab.dev.dense choose
	$(BIN)/python -m pruninglab.dev.dense train --width 16 --seed 1 2

clean:  ## remove build/ (also what make results and train resume from, and marks.csv) and caches
	rm -rf build .pytest_cache .mypy_cache .ruff_cache
