"""How the process of a node is set up."""

import platform
import subprocess
import sys

import pytest

from gmi_ros.ros import start_node

MANY_THREADS = """
import ctypes, sys, threading
from gmi_ros.ros import start_node
if sys.argv[1] == "one":
    start_node._keep_one_arena()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(4)
def take():
    together.wait()
    libc.malloc(1000)
    together.wait()
threads = [threading.Thread(target=take) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no arenas")
def test_all_threads_take_memory_from_one_pool():
    def pools(how: str) -> int:
        command = [sys.executable, "-c", MANY_THREADS, how]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.count("<heap nr=")

    assert pools("several") > 1
    assert pools("one") == 1


def test_ctrl_c_while_a_node_is_imported_ends_it_without_a_word(monkeypatch, capsys):
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(start_node.importlib, "import_module", interrupted)
    with pytest.raises(SystemExit) as ended:
        start_node.start("grasp_synthesizer")
    assert ended.value.code == 0 and capsys.readouterr() == ("", "")
