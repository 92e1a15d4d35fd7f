# Each command installs what it needs and says so: as root, on Debian.

.PHONY: demo test test-long bench lint fmt clean

demo: ; @.ci/prepare demo && .venv/bin/lvsha demo

test: ; @.ci/prepare && .ci/test

test-long: ; @.ci/prepare long && .ci/test long

bench: ; @.ci/prepare && .venv/bin/python -m bench

lint: ; @.ci/prepare && .ci/test lint

fmt:
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

clean:
	rm -rf .venv .lab .hypothesis .mypy_cache .ruff_cache .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
