#!/usr/bin/env bash
# One step of `make setup`: `tools/setup.sh venv` or `tools/setup.sh interfaces`. Says plainly what failed and why.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV="$PWD/.venv"

fail() {
  echo "make setup: $*" >&2
  exit 1
}

# The first Python of a version that the ROS packages are built for.
find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.12 python3.13 python3.11 python3.10}; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  fail "no Python from 3.10 to 3.13 found (python3 is $(python3 --version 2>&1 || true)); name one with PYTHON=/path"
}

make_venv() {
  local python quiet=-q
  python=$(find_python)
  command -v c++ >/dev/null || fail "no C++ compiler (c++); on Debian and Ubuntu: apt install build-essential"
  "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
    fail "$python has no headers (Python.h); on Debian and Ubuntu: apt install python3-dev"
  if [ ! -x "$VENV/bin/python" ]; then
    "$python" -m venv "$VENV" || {
      rm -rf "$VENV"
      fail "$python -m venv .venv failed; on Debian and Ubuntu: apt install python3-venv"
    }
  fi
  touch "$VENV/COLCON_IGNORE"
  [ -t 1 ] && quiet=
  echo "make setup: installing requirements-pypi.txt into .venv/ (the first time takes minutes)"
  "$VENV/bin/python" -m pip install $quiet --disable-pip-version-check -r requirements-pypi.txt ||
    fail "pip could not install requirements-pypi.txt; the lines above say which package and why"
}

build_interfaces() {
  echo "make setup: building the interfaces into install/ (one to two minutes)"
  mkdir -p log
  PATH="$VENV/bin:$PATH" AMENT_PREFIX_PATH="$VENV" CMAKE_PREFIX_PATH="$VENV" \
    "$VENV/bin/colcon" build --packages-select gmi_ros --event-handlers console_cohesion- \
    --cmake-args -G Ninja -DBUILD_TESTING=OFF "-DPython3_EXECUTABLE=$VENV/bin/python" >log/setup.txt 2>&1 || {
    tail -n 40 log/setup.txt >&2
    fail "colcon build failed; the lines above are the end of log/setup.txt"
  }
  "$VENV/bin/python" tools/link_checkout.py "$VENV" || fail "could not write .venv/bin/gmi"
  # From another folder, as a user would: the generated code must load, libraries included.
  (cd / && "$VENV/bin/python" -c "
from rclpy.type_support import check_for_type_support
from gmi_ros.srv import SynthesizeGrasp
check_for_type_support(SynthesizeGrasp)") || fail "the interfaces were built but do not load"
}

case "${1:-}" in
  venv) make_venv ;;
  interfaces) build_interfaces ;;
  *) fail "unknown step '${1:-}': venv or interfaces" ;;
esac
