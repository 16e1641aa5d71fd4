"""The tests of the documents share doc_pages.py, and the nodes of test/ros where ROS is installed."""

import gc
import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

if importlib.util.find_spec("rclpy"):
    spec = importlib.util.spec_from_file_location("ros_fixtures", HERE.parent / "ros" / "conftest.py")
    ros_fixtures = sys.modules["ros_fixtures"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ros_fixtures)
    weights, make_robot = ros_fixtures.weights, ros_fixtures.make_robot


@pytest.fixture
def live():
    """A `Live` in a graph without the nodes of earlier tests: a destroyed lifecycle node is in it until collected."""
    gc.collect()
    session = ros_fixtures.Live()
    yield session
    session.close()
    gc.collect()
