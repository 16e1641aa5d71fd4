# Commands for a machine without ROS. Each does its own set-up in .venv/ and install/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test bench soak genuine clean

# The packages in .venv/ are a whole ROS 2: a sourced one would be mixed in.
ifdef AMENT_PREFIX_PATH
unexport AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH ROS_DISTRO
endif

PYTHON_VENV := .venv/bin/python
VENV_STAMP := .venv/.requirements-installed
INTERFACE_STAMP := install/.interfaces-built
INTERFACES := $(wildcard msg/*.msg srv/*.srv action/*.action cmake/*.cmake)

# Tests talk over the loopback only; test/conftest.py gives every test process a domain of its own.
PYTEST := ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST $(PYTHON_VENV) -m pytest test

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' Makefile

$(VENV_STAMP): requirements-pypi.txt
	@tools/setup.sh venv
	@touch $@

$(INTERFACE_STAMP): $(VENV_STAMP) $(INTERFACES) CMakeLists.txt package.xml tools/link_checkout.py
	@tools/setup.sh interfaces
	@touch $@

setup: $(INTERFACE_STAMP)  ## make .venv/ and install/; quick when nothing changed

demo: setup  ## simulated cell: see, synthesise, execute, record; writes demo.png
	.venv/bin/gmi demo

test: setup  ## all tests, in 10 to 15 minutes on two cores
	$(PYTEST) -n 2 --dist loadfile

bench: setup  ## speed figures
	.venv/bin/gmi bench

soak: setup  ## the long checks at full length
	GMI_SOAK=1 $(PYTEST) -m soak -s

genuine: setup  ## regenerate the golden outputs of genuine message_filters and cv_bridge
	$(PYTHON_VENV) test/golden/make_golden.py

clean:  ## remove what setup made
	rm -rf .venv build install log
