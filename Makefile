# `make demo` shows the program's main job on real parts; `make test` runs everything that this machine can run.
.DEFAULT_GOAL := help
.PHONY: help setup packages check quick cover test servers powercut kills fuzz long demo bench package package-lock screenshots docs clean

VENV   ?= .venv
PYTHON := $(VENV)/bin/python
STAMP  := $(VENV)/.complete

# Hundreds of commands are started, which would all compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

# What the suite and the demo drive. Installed by us where we are root and there is apt; else the suites say what they miss.
DISK_PACKAGES := e2fsprogs xfsprogs btrfs-progs
MEDIA_PACKAGES := fusefat dosfstools mtools
# A virtual machine, only where the processor can run one: it has a hundred megabytes.
MACHINE_PACKAGES := $(if $(and $(wildcard /dev/kvm),$(wildcard /sys/module/kvm_intel /sys/module/kvm_amd)),qemu-system-x86)
PACKAGE_PACKAGES := debootstrap qemu-user-static lintian xz-utils
TEST_PACKAGES := docker-registry containerd runc docker.io skopeo busybox-static iproute2 iptables openssl chromium $(DISK_PACKAGES) $(MEDIA_PACKAGES) $(MACHINE_PACKAGES) $(PACKAGE_PACKAGES)
DEMO_PACKAGES := docker.io docker-registry busybox-static iproute2 iptables

QUICK := tests/unit tests/cli tests/api tests/contract/test_cluster_fake.py tests/contract/test_runtime_fake.py
# Tests on real engines wait more than they work, but a kubelet that is starved ends no pod in time: one worker more than cores, not two.
WORKERS       ?= $(shell echo $$(($$(nproc) + 1)))

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	@./demo/packages python3-venv
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat --editable '.[dev]'
	@touch $@

setup: $(STAMP) ## the virtual environment

check: $(STAMP) ## lint, format, types, layers, words
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	$(VENV)/bin/codespell kelvin_provision README.md CHANGELOG.md docs man demo bench
	$(PYTHON) -m pytest -q tests/unit/test_words.py

quick: $(STAMP) ## the tests that need no server, in under a minute
	$(PYTHON) -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder -q -m "not slow" $(QUICK) $(ARGS)

cover: $(STAMP) ## all tests without a server, and the lines of the package that they run; fails below the floor in pyproject.toml
	@./demo/packages chromium
	$(PYTHON) -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder -q $(QUICK) --cov --cov-report=term:skip-covered $(ARGS)

test: $(STAMP) ## everything but the long forms, in parallel; suites whose server is missing are skipped by name
	@./demo/packages $(TEST_PACKAGES)
	$(PYTHON) -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder -m "not long" $(ARGS)

long: $(STAMP) ## the tests that `make test` leaves out: they show on a second engine what it shows on one
	@./demo/packages $(TEST_PACKAGES)
	$(PYTHON) -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder -m long tests/real $(ARGS)

servers: ## of these, the tests on real servers: tests/real and tests/contract, and those of the packages
	$(MAKE) test ARGS="tests/real tests/contract tests/packages --ignore=tests/contract/test_cluster_fake.py --ignore=tests/contract/test_runtime_fake.py $(ARGS)"

powercut: $(STAMP) ## cut the power of a box some hundred times, on ext4, xfs and btrfs (ARGS="--filesystem xfs --cuts 50 --seed 7")
	@./demo/packages $(DISK_PACKAGES)
	$(PYTHON) -m tests.powercut $(ARGS)

kills: $(STAMP) ## kill -9 of changes, some hundred times, with the Kubernetes that KELVIN_PROVISION_TEST_KUBECONFIG names
	@./demo/packages docker-registry busybox-static
	$(PYTHON) -m tests.kills $(ARGS)

fuzz: $(STAMP) ## bundles, zips, deltas and publications changed at random, then what the API's description allows and forbids, for five minutes (ARGS="--seconds 3600 --seed 7")
	$(PYTHON) -m tests.fuzz.bundles $(ARGS)
	$(PYTHON) -m tests.fuzz.zips $(ARGS)
	$(PYTHON) -m tests.fuzz.deltas $(ARGS)
	$(PYTHON) -m tests.fuzz.publications $(ARGS)
	$(PYTHON) -m tests.fuzz $(ARGS)

demo: $(STAMP) ## stage, cut the network, apply: on real parts, in under two minutes
	@./demo/packages $(DEMO_PACKAGES)
	@$(PYTHON) -m demo

bench: $(STAMP) ## ratios against what one would use instead
	@./demo/packages $(TEST_PACKAGES) wrk
	$(PYTHON) -m bench $(ARGS)

package: $(STAMP) ## Debian packages, self-extracting files, sdist and wheel of this commit, for amd64 and arm64, into dist/ (ARGS="--arch arm64")
	@./demo/packages xz-utils lintian
	$(PYTHON) -m package $(ARGS)

package-lock: $(STAMP) ## renew what packages are made of: the newest that Debian and PyPI have
	$(PYTHON) -m package lock

screenshots: $(STAMP) ## take the pictures of the documents again: the pages in a browser, the commands in a terminal
	@./demo/packages chromium tmux
	$(PYTHON) -m tests.screenshots

docs: $(STAMP) ## rewrite the generated pages, manuals and completions
	$(PYTHON) -m kelvin_provision.cli.docs.pages
	$(PYTHON) -m kelvin_provision.api.description
	$(PYTHON) -m tests.json_page
	$(PYTHON) -m tests.corpus_page
	$(PYTHON) -m tests.api_page
	$(PYTHON) -m tests.strings_table

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build *.egg-info
