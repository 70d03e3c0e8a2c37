# finnspect. Every target first prepares the environment it needs; `make help` lists them.
# Variables are set on the command line (make hw BOARD=...), never taken from the environment.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

BOARD =## board to build for: ulx3s-85f, pynq-z2, pynq-z1 [ulx3s-85f; pynq-z2 where its tools are found]
MODEL =## model to train when DATASET is given [cnv_w4a4]
DATASET =## data set to train on: image-folder for your own, or one of `finnspect datasets list` [none: build PACKAGE]
DATA =## folder or archive of the data set, in its original layout
DATA_OPTIONS =## options of the data set's loader, as task=binary tile=64 (finnspect datasets list) [none]
TRAIN_OPTIONS =## more options of the training, as --image-size 32 --epochs 20 (finnspect train --help) [none]
PACKAGE =## model package to build: a folder, or the name of a shipped one [cnv_w4a4-synthetic]
TARGET_FPS =## frames a second that the cheapest folding is searched for [none: configuration, or the fastest that fits]
FOLDING =## JSON file with PE and SIMD of every layer, by hand [none]
TOOLCHAIN =## tools that make the bitstream: auto, ecp5, vivado, openxc7, finn; or vivado-ooc, synth, none: no bitstream [auto]
OUT =## folder for everything that is made [out]
PYTHON = python3## Python 3.11 that makes the environment [python3]
BENCH =## options of the hardware benchmark, as --quick or --network cnn5_w4a4 --technology xc7 ecp5 [none]
VENV = .venv## folder of the environment [.venv]

STAMP := $(VENV)/.finnspect-bootstrapped
ENV_FILES := $(addprefix build/env/,torch.txt requirements.lock bootstrap.sh common.sh) pyproject.toml
BIN := $(VENV)/bin
DRIVER_VENV := $(VENV)-driver
DRIVER_STAMP := $(DRIVER_VENV)/.finnspect-bootstrapped
DRIVER_FILES := $(addprefix build/env/,driver.lock bootstrap_driver.sh common.sh) hw/driver/pyproject.toml
DRIVER_PYTEST = $(DRIVER_VENV)/bin/python -m pytest tests/driver
CORES := $(shell nproc)
WORKERS := $(shell [ $(CORES) -gt 4 ] && echo 4 || echo $(CORES))
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile
option = $(if $($(2)), $(1) '$($(2))')
BUILD_OPTIONS = $(call option,--board,BOARD)$(call option,--model,MODEL)$(call option,--dataset,DATASET)$\
    $(call option,--data,DATA)$\
    $(foreach word,$(DATA_OPTIONS), --data-option '$(word)')$(if $(TRAIN_OPTIONS), $(TRAIN_OPTIONS))$\
    $(call option,--package,PACKAGE)$(call option,--toolchain,TOOLCHAIN)$\
    $(call option,--target-fps,TARGET_FPS)$(call option,--folding,FOLDING)$(call option,--out,OUT)

.PHONY: hw test test-fast test-driver lint bench fit-costs accuracy bootstrap lock clean help

hw: $(STAMP) ## model package (or, with DATASET, a training first) to bitstream and deploy zip
	@$(BIN)/finnspect build$(BUILD_OPTIONS)

test: test-fast ## test-fast, then whole builds with a bitstream, then the notebooks
	$(PYTEST) -m slow tests
	$(PYTEST) --nbmake notebooks

test-fast: lint test-driver ## ruff, then the tests that take less than a minute each
	$(PYTEST) -m "not slow" tests

test-driver: $(DRIVER_STAMP) ## the driver's tests as on a board: PYNQ and numpy 1.x
	$(DRIVER_PYTEST)

lint: $(STAMP) ## ruff: rules and layout
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(STAMP) ## speed of the integer reference; cells, cycles, paces and simulation speed of hardware (resumes)
	@missed=0; set -x; $(BIN)/python -m finnspect.bench$(call option,--package,PACKAGE) || missed=1; \
	$(BIN)/python -m finnspect.bench_hardware --cache '$(or $(OUT),out)/cache' --json '$(or $(OUT),out)/bench.json' $(BENCH) \
	    || missed=1; { set +x; } 2>/dev/null; exit $$missed

fit-costs: $(STAMP) ## cost models of the folding search, fitted anew to synthesis of hw/rtl (an hour; resumes)
	$(BIN)/python -m finnspect.analysis.fit

accuracy: $(STAMP) ## the accuracy table: sets x models x seeds; hours, goes on where it was stopped (DATA: folder of the sets)
	@$(BIN)/finnspect accuracy$(call option,--data-root,DATA)$(call option,--out,OUT)

bootstrap: $(STAMP) ## only prepare the environment
	@$(BIN)/finnspect doctor

$(STAMP): $(ENV_FILES)
	@PYTHON='$(PYTHON)' build/env/bootstrap.sh '$(VENV)'
	@touch '$@'

$(DRIVER_STAMP): $(DRIVER_FILES)
	@PYTHON='$(PYTHON)' build/env/bootstrap_driver.sh '$(DRIVER_VENV)'
	@touch '$@'

lock: ## resolve build/env/requirements.in to requirements.lock (needs uv)
	build/env/lock.sh

clean: ## remove out/ and caches; the environment stays
	rm -rf out .pytest_cache .ruff_cache .hypothesis

help: ## show this
	@echo 'usage: make TARGET [VARIABLE=value ...]'
	@echo
	@echo 'targets'
	@sed -nE 's/^([a-z][a-z-]*):[^#]*## (.*)/\1\t\2/p' Makefile | awk -F'\t' '{printf "  %-11s %s\n", $$1, $$2}'
	@echo
	@echo 'variables [what holds without them]'
	@sed -nE 's/^([A-Z_]+) =[^#]*## (.*)/\1\t\2/p' Makefile | awk -F'\t' '{printf "  %-13s %s\n", $$1, $$2}'
	@echo
	@echo 'examples'
	@echo '  make hw                                               the shipped model to a bitstream'
	@echo '  make hw DATASET=neu-det DATA=NEU-DET.tar.xz           train on NEU-DET, then a bitstream'
	@echo '  make hw DATASET=image-folder DATA=my_images           your own images, one folder a class'
	@echo '  make hw PACKAGE=my_package BOARD=ulx3s-85f OUT=/tmp/out'
