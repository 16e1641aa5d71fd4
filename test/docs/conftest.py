"""The tests of the documents share doc_pages.py, and the nodes of test/ros where ROS is installed."""

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # importlib mode

if importlib.util.find_spec("rclpy"):
    spec = importlib.util.spec_from_file_location("ros_fixtures", HERE.parent / "ros" / "conftest.py")
    ros_fixtures = sys.modules["ros_fixtures"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ros_fixtures)
    live, weights, make_robot, robot = (getattr(ros_fixtures, n) for n in ("live", "weights", "make_robot", "robot"))
