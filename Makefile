# Needs Python >= 3.11, git and make; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test test-slurm test-kills lint clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[meeg,test]"
	touch $@

demo: install
	$(BIN)/calcarine demo --out out/demo

test: install lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -q

# a real cluster on this machine (Debian: munge slurmctld slurmd slurm-client; root): jobs, arrays,
# retries, scancel, kill, resume
test-slurm: install
	$(BIN)/python -m pytest -m slurm -q tests/pipelines/test_slurm.py

# a whole run, killed 25 times at random moments, ends with the bytes of a calm one
test-kills: install
	$(BIN)/python -m pytest -m kills -q -s tests/pipelines/test_kills.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf out build
