"""Arithmetic: gmi_ros has numpy compute the same bits on every x86-64 processor with AVX2, unless told otherwise."""

import os
import subprocess
import sys

import pytest

from gmi_ros.core.arithmetic import REFERENCE, fingerprint

FIXED = ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")
SHOW = "from gmi_ros.core.arithmetic import fingerprint; print(fingerprint())"


def shown(code: str = SHOW, **variables: str) -> str:
    env = {name: value for name, value in os.environ.items() if name not in FIXED} | variables
    return subprocess.run(
        [sys.executable, "-c", code],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_a_fresh_process_computes_what_this_one_does():
    assert len(fingerprint()) == 12 and shown().strip() == fingerprint() == fingerprint.__wrapped__()


@pytest.mark.skipif(
    "OPENBLAS_CORETYPE" not in os.environ,
    reason="this processor is not an x86-64 with AVX2",
)
def test_it_is_that_of_the_data_set_whatever_else_the_processor_can():
    assert fingerprint() == REFERENCE


@pytest.mark.skipif(
    "OPENBLAS_CORETYPE" not in os.environ,
    reason="this processor is not an x86-64 with AVX2",
)
def test_another_kernel_is_noticed_and_variables_that_somebody_set_stay():
    assert shown(OPENBLAS_CORETYPE="Prescott").strip() not in ("", REFERENCE)
