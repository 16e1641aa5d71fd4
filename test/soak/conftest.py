"""What the long checks share: their helpers, a printed seed, the tiny network and the drawn frame of the ROS tests."""

import importlib.util
import os
import random
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def ros_tests():
    """The module test/ros/conftest.py: draw_frame, save_tiny_network."""
    spec = importlib.util.spec_from_file_location("conftest_of_ros", FOLDER.parent / "ros" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def soak_seed(request) -> int:
    """Printed; another one every time under `make soak` unless GMI_SOAK_SEED gives it, always 1 in `make test`."""
    given = os.environ.get("GMI_SOAK_SEED")
    drawn = random.SystemRandom().randrange(1, 2**31) if os.environ.get("GMI_SOAK") == "1" else 1
    seed = int(given) if given else drawn
    print(f"\n{request.node.name}: GMI_SOAK_SEED={seed}", flush=True)
    return seed
