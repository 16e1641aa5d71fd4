import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode: the tests share made_once.py


@pytest.fixture(scope="module")
def checks_run_once():
    """The check that a store may be continued runs its batch once."""
    from made_once import run_once

    from gmi_ros.evaluation import collecting

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collecting, "run_batch", run_once)
        yield
