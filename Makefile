# finnspect: every target bootstraps the environment it needs. `make help` lists them.
VENV ?= .venv
PYTHON ?= python3
STAMP := $(VENV)/.finnspect-bootstrapped
ENV_FILES := build/env/torch.txt build/env/requirements.lock build/env/bootstrap.sh pyproject.toml

.PHONY: bootstrap
bootstrap: $(STAMP)

$(STAMP): $(ENV_FILES)
	PYTHON=$(PYTHON) build/env/bootstrap.sh $(VENV)
