# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

.DEFAULT_GOAL := help
.SUFFIXES:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

RUN_PINS := requirements/setup.sh requirements/install_collections.py requirements/collections.txt \
            requirements/constraints.txt requirements/run.txt
LOCAL_PINS := $(RUN_PINS) requirements/local.txt
QUICK_PINS := $(RUN_PINS) requirements/quick.txt
PLAYBOOK := .venv/bin/ansible-playbook

# The scripts in .venv carry its path: after a move it has to be made again.
$(shell grep -qsF '$(CURDIR)/.venv' .venv/bin/activate || rm -f .venv/.run .venv/.local .venv/.quick .venv/.test .venv/.docs .venv/.mutants)

# Everything that Ansible, Python and the Kubernetes client write for themselves stays in .build.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_HOME := $(CURDIR)/.build/ansible
export ANSIBLE_LOCAL_TEMP := $(CURDIR)/.build/ansible/tmp
export ANSIBLE_REMOTE_TMP := $(CURDIR)/.build/ansible/tmp

# Which clusters: an inventory, or the contexts of a kubeconfig, or else the local ones.
ifdef INVENTORY
inventory := $(INVENTORY)
else ifdef KUBECONFIG
inventory := .build/inventory.yml
else
inventory := inventories/local.yml
endif
site_venv := $(if $(INVENTORY)$(KUBECONFIG),.venv/.run,.venv/.local)

.PHONY: help site workloads quick test lint types sanity units ansible-units package molecule test-clusters localcluster slice worlds programs gvisor v2 versions bench mutants clusters clusters-clean clean docs setup need-root

help:
	@echo 'make site            check the shared memory of clusters: local ones (root), or those of'
	@echo '                     KUBECONFIG=FILE [CONTEXT=NAME,...] or INVENTORY=FILE; LIMIT=NAME,... for some'
	@echo 'make workloads       say which workloads of these clusters, or of MANIFESTS=FILE,..., lack shared memory'
	@echo 'make quick           run the unit tests of the product, and its checks on this machine without Kubernetes (a minute or two)'
	@echo 'make test            run the tests; needs root for the local clusters. Parts of it:'
	@echo '                     lint types units ansible-units sanity (no cluster),'
	@echo '                     package molecule test-clusters localcluster slice'
	@echo 'make worlds          run every check in every false world (an hour), print the confusion tables'
	@echo 'make programs        run real programs in good and bad shapes against what the audit predicts (ten minutes)'
	@echo 'make gvisor          run every check under gVisor, which is built first (two minutes)'
	@echo 'make v2              run every check on a node with another kernel and cgroup v2 alone (ten minutes)'
	@echo 'make versions        run every check on Kubernetes 1.28 and 1.37, each of which is built first (four minutes)'
	@echo 'make mutants         break the rules of the checks, one change at a time, and count what no test notices (an hour)'
	@echo 'make bench           measure against plain kubernetes.core tasks and the floor'
	@echo 'make clusters        build (once) and start the local clusters; clusters-clean removes them'
	@echo 'make docs            build the site of the documentation in .build/docs/html'
	@echo 'make setup           only make .venv, with everything for the tests'
	@echo 'make clean           remove .venv, .build and reports'

# Temporary files and the client's discovery cache stay in the checkout too.
site: export TMPDIR := $(CURDIR)/.build/tmp
site: $(site_venv)
	@mkdir -p .build/tmp
ifdef INVENTORY
	@echo 'site: clusters of the inventory $(INVENTORY)$(if $(LIMIT), limited to $(LIMIT))'
else ifdef KUBECONFIG
	@.venv/bin/python tests/tools/kubeconfig_inventory.py $(inventory)
else
	@$(MAKE) clusters
	@echo 'site: the local clusters of $(inventory)$(if $(LIMIT), limited to $(LIMIT))'
endif
	@$(PLAYBOOK) --inventory '$(inventory)' $(if $(LIMIT),--limit '$(LIMIT)') abcdesktopio.podshm.site

workloads: export TMPDIR := $(CURDIR)/.build/tmp
workloads: $(site_venv)
	@mkdir -p .build/tmp
ifdef MANIFESTS
	@$(PLAYBOOK) abcdesktopio.podshm.workloads --extra-vars 'podshm_manifests=$(MANIFESTS)'
else
ifndef INVENTORY
ifdef KUBECONFIG
	@.venv/bin/python tests/tools/kubeconfig_inventory.py $(inventory)
endif
endif
	@$(PLAYBOOK) --inventory '$(inventory)' $(if $(LIMIT),--limit '$(LIMIT)') abcdesktopio.podshm.workloads
endif

clusters: .venv/.local need-root
	@$(PLAYBOOK) abcdesktopio.localcluster.clusters

clusters-clean: .venv/.local need-root
	@$(PLAYBOOK) abcdesktopio.localcluster.clusters_clean

need-root:
	@[ "$$(id -u)" -eq 0 ] || { echo 'make: local clusters need root; run as root, or name your own clusters: make site KUBECONFIG=FILE or INVENTORY=FILE' >&2; exit 1; }

test: .venv/.test need-root
	@.venv/bin/python tests/tools/run.py

lint types sanity units ansible-units package molecule test-clusters localcluster slice worlds programs gvisor v2 versions: .venv/.test
	@.venv/bin/python tests/tools/run.py $@

quick: .venv/.quick
	@.venv/bin/python -m pytest --quiet --numprocesses=auto --dist=loadfile tests/unit/plugins tests/unit/*.py tests/contract

mutants: .venv/.mutants
	@.venv/bin/python tests/tools/mutants.py

bench: .venv/.test clusters
	@.venv/bin/python tests/bench/bench.py

docs: .venv/.docs
	@.venv/bin/python tests/tools/docs_site.py

setup: .venv/.test

clean:
	rm -rf .venv .build reports

.venv/.run: $(RUN_PINS)
	@requirements/setup.sh run

.venv/.local: $(LOCAL_PINS)
	@requirements/setup.sh local

.venv/.quick: $(QUICK_PINS)
	@requirements/setup.sh quick

.venv/.mutants: $(QUICK_PINS) requirements/mutants.txt
	@requirements/setup.sh mutants

.venv/.test: $(LOCAL_PINS) $(QUICK_PINS) requirements/test.txt
	@requirements/setup.sh test

.venv/.docs: $(LOCAL_PINS) $(QUICK_PINS) requirements/test.txt requirements/docs.txt
	@requirements/setup.sh docs
