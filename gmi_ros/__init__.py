"""Grasp motor imagery for a three-finger BarrettHand on ROS 2."""

import os
import platform
from pathlib import Path
from pkgutil import extend_path

# The generated gmi_ros.msg / .srv / .action live in the install prefix; a checkout finds them there too.
__path__ = extend_path(__path__, __name__)

_CPU_INFO = Path("/proc/cpuinfo")


def _fix_arithmetic() -> None:
    """Have numpy and scipy compute the same bits on every x86-64 processor with AVX2: a seed means one thing everywhere.

    Both choose their code by the processor when they are loaded, and the choices sum in other orders and round
    otherwise. So this works where gmi_ros comes before numpy, and in all processes started from here;
    core.arithmetic tells what is in force. Variables that somebody set stay as they are.
    """
    if platform.machine() == "x86_64" and _CPU_INFO.exists() and " avx2 " in _CPU_INFO.read_text():
        os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")
        wider = "X86_V4 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"  # of numpy 1.26 to 2.4
        os.environ.setdefault("NPY_DISABLE_CPU_FEATURES", wider)


_fix_arithmetic()
