"""What the long checks share: their helpers, the tiny network and the drawn frame of the ROS tests."""

import importlib.util
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
