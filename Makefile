# Every target makes what it needs, from a machine with python3, g++, cmake and make.
# A step that has nothing to do is skipped: the second run starts at once.
#
#   VENV=path       the environment (default .venv)
#   TORCH=spec      what pip installs as torch (default torch==2.13.0)
#   DEVICE=name     the device of `make demo` (default xpu_lite)
#   PYTEST_ARGS=... more arguments for pytest
#   SYCL_TESTS=...  what `make test` runs on the SYCL engine as well
#   GPU_CHECK_ARGS=... arguments for tools/gpu_check.py

SHELL := /bin/bash
VENV ?= $(CURDIR)/.venv
DEVICE ?= xpu_lite
PYTEST_ARGS ?=
SYCL_TESTS ?= tests/test_sycl_*.py tests/test_ops.py $(patsubst %,tests/test_%.py,accelerator aliases \
  attention device_type dlpack event fast_path memory models modules optim rnn stream)
PY := $(VENV)/bin/python
export VENV
.DEFAULT_GOAL := help
.PHONY: help env native demo test sycl sanitize gpu-check wheel bench clean distclean need-python

help: ## what each target does
	@echo "xpu-lite:"
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | \
	  awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

need-python:
	@command -v python3 >/dev/null || { echo "python3 is missing: apt-get install python3"; exit 1; }

env: need-python ## the environment .venv with the package built into it
	@python3 tools/setup_env.py

native: need-python
	@python3 tools/setup_env.py --native

# Batch norm on the CPU looks at each rank's part of a batch, on the device at the whole.
demo: env ## trains on real images (also in two processes), embeds sentences, writes text
	@cd examples && \
	  echo "== 1 of 4: train a convolutional network on handwritten digits ==" && \
	  $(PY) train.py --device $(DEVICE) --out ../runs/demo/train && \
	  echo "== 2 of 4: the first epochs again, in two processes: the same losses ==" && \
	  $(PY) -m torch_xpu_lite launch -n 2 train.py --device $(DEVICE) --stop-after 3 \
	    --out ../runs/demo/ranks && \
	  $(PY) compare.py ../runs/demo/train ../runs/demo/ranks \
	    --tolerance $(if $(filter cpu,$(DEVICE)),0.3,0.02) && \
	  echo "== 3 of 4: nearest sentences by a pretrained encoder ==" && \
	  $(PY) embed.py --device $(DEVICE) --check && \
	  echo "== 4 of 4: a small language model learns English and writes some ==" && \
	  $(PY) generate.py --device $(DEVICE) --quick --out ../runs/demo/generate && \
	  echo && echo "DEMO PASSED on $(DEVICE); the curves: runs/demo/train/curves.png" || \
	  { echo && echo "DEMO FAILED on $(DEVICE)"; exit 1; }

test: native ## all tests: C++ without torch (ctest), then Python (pytest)
	@status=0; . build/env.sh; \
	ctest --test-dir build/package --output-on-failure || status=1; \
	[ $$status = 0 ] || echo "C++ TESTS FAILED (above); the Python tests follow"; \
	$(PY) -m pytest $(PYTEST_ARGS) || status=1; \
	echo "== the SYCL engine, on the OpenCL CPU device =="; \
	XPU_LITE_DEVICES=opencl:cpu $(PY) -m pytest -n 2 $(SYCL_TESTS) $(PYTEST_ARGS) || status=1; \
	exit $$status

sycl: native ## every Python test on the SYCL engine (OpenCL CPU device), not only its own
	@. build/env.sh; XPU_LITE_DEVICES=opencl:cpu $(PY) -m pytest $(PYTEST_ARGS)

sanitize: need-python ## the collectives' transports under ThreadSanitizer and AddressSanitizer
	@python3 tools/sanitize.py

# GPU_CHECK_ARGS="--sample 100 --devices bmg,pvc" checks less, in minutes.
gpu-check: env ## every SYCL kernel compiles for Intel GPUs, without one (docs/gpu-check.md)
	@$(PY) tools/gpu_check.py $(GPU_CHECK_ARGS)

wheel: need-python ## dist/torch_xpu_lite-*.whl
	@python3 tools/setup_env.py --wheel
	@ls -l dist/*.whl

bench: env ## the benchmarks, each against the CPU in the same run
	@set -e; for file in benchmarks/*.py; do echo "== $$file =="; $(PY) $$file; done

clean: ## removes what was built; keeps .venv
	rm -rf build dist runs

distclean: clean ## removes .venv too
	rm -rf $(VENV)
