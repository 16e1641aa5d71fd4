"""For launch_testing's runner, not for pytest: the nodes of sim.launch.py answer, and end when the launch does.

`launch_test test/launch/check_sim_launch.py` in a sourced workspace; test_genuine_launch.py runs it.
"""

import tempfile
import time
import unittest
from pathlib import Path

import launch_testing
import launch_testing.actions
import launch_testing.asserts
import rclpy
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState

from gmi_ros.srv import SynthesizeGrasp

LAUNCH = Path(__file__).resolve().parents[2] / "launch" / "sim.launch.py"
START_S = 60.0  # patient: other tests may run beside this one
FOLDER = tempfile.TemporaryDirectory(prefix="gmi_launch_")  # removed when the runner ends
NODES = ("grasp_synthesizer", "experience_recorder", "sim_cell")


def generate_test_description() -> LaunchDescription:
    """sim.launch.py with a store of its own."""
    store = Path(FOLDER.name) / "experience.db"
    nodes = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(LAUNCH)), launch_arguments=[("store", str(store))]
    )
    return LaunchDescription([nodes, launch_testing.actions.ReadyToTest()])


class TestNodes(unittest.TestCase):
    """While the nodes run."""

    def setUp(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("launch_test", context=self.context)
        self.executor = rclpy.executors.SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def tearDown(self):
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def call(self, kind, name, request):
        client = self.node.create_client(kind, name)
        self.assertTrue(client.wait_for_service(timeout_sec=START_S), f"no service {name}")
        future = client.call_async(request)
        self.executor.spin_until_future_complete(future, timeout_sec=START_S)
        self.assertTrue(future.done(), f"{name} did not answer")
        return future.result()

    def until(self, answer, is_right):
        """The first answer that is right, asked for until START_S is over."""
        end = time.monotonic() + START_S
        while not is_right(found := answer()):
            self.assertLess(time.monotonic(), end, f"the last answer was {str(found)[:500]}")
            time.sleep(0.2)
        return found

    def test_the_node_activates_itself_and_a_call_is_answered(self, proc_output):
        self.until(
            lambda: self.call(GetState, "grasp_synthesizer/get_state", GetState.Request()).current_state.id,
            lambda state: state == State.PRIMARY_STATE_ACTIVE,
        )
        answer = self.until(
            lambda: self.call(SynthesizeGrasp, "/synthesize_grasp", SynthesizeGrasp.Request(seed=1, max_grasps=3)),
            lambda answer: answer.success,  # before the first images, and on a busy machine, it is not
        )
        self.assertEqual(answer.grasps[0].header.frame_id, "camera_rgb_optical_frame")


@launch_testing.post_shutdown_test()
class TestTheEnd(unittest.TestCase):
    """After the launch was shut down."""

    def test_every_node_ended_by_itself_and_none_is_left(self, proc_info):
        self.assertEqual(sorted(name.rpartition("-")[0] for name in proc_info.process_names()), sorted(NODES))
        launch_testing.asserts.assertExitCodes(proc_info)
        for name in proc_info.process_names():
            self.assertFalse(Path(f"/proc/{proc_info[name].pid}").exists(), f"{name} is still there")
