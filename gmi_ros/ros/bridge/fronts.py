"""The ROS side of mock drivers: a hand's and an arm's over one plant, which is stepped beside them."""

import threading
import time

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Header

from gmi_ros.bridge.plant import Plant
from gmi_ros.bridge.simulated import Fault, SimulatedArm, SimulatedHand
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.ros.bridge.arm_front import ArmFront
from gmi_ros.ros.bridge.hand_front import HandFront
from gmi_ros.ros.bridge.mock_settings import MockSettings
from gmi_ros.ros.bridge.task_actions import TaskActions
from gmi_ros.ros.convert import stamp_message

_STEP, _STATES = 0.01, 0.02  # [s] between two steps of the plant, and two messages of states
_PATIENCE = 0.3  # [s] that the plant waits for the next pose, after which no more come
_LAG = 0.25  # [s] between the step that is due and now that is made up for; beyond it the plant runs late


class Fronts:
    """Serves one style of hand and one of arm, steps the plant in a thread of its own, and tells what it does.

    lock: held by whoever touches the plant or what is behind it. failure: what the plant raised, which ends it.
    """

    def __init__(self, node: Node, plant: Plant, figures: BarrettHand, settings: MockSettings, frame: str):
        self.node, self.lock, self.settings = node, threading.RLock(), settings
        self._plant, self._time = plant, 1.0
        self._stopping = threading.Event()
        self.failure: BaseException | None = None
        s = settings
        clock = lambda: self._time  # noqa: E731
        self.hand = SimulatedHand(plant, figures, clock, Fault(s.hand_fault, s.hand_fault_after))
        self.arm = SimulatedArm(plant, clock, Fault(s.arm_fault, s.arm_fault_after), frame=frame)
        self._clock = node.create_publisher(Clock, "/clock", 1) if s.publish_clock else None
        self._actions = TaskActions(node, ReentrantCallbackGroup(), self.lock)
        self._hand_front = HandFront(self._actions, self.hand, figures, s)
        self._arm_front = ArmFront(self._actions, self.arm, s)
        self._thread = threading.Thread(target=self._run, name="plant", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the plant and the servers."""
        self._stopping.set()
        self._thread.join(5.0)
        self._actions.close()

    def replace_plant(self, plant: Plant) -> None:
        """Go on with another plant, from rest."""
        with self.lock:
            self.hand.stop()
            self.arm.stop()
            self._arm_front.stream.stop()
            self._plant = self.hand.plant = self.arm.plant = plant
            self._arm_front.place()

    def _run(self) -> None:
        """Steps by the clock of the wall; when the machine is too slow for that, the plant's time runs slower.

        So it does where the poses of a stream come late: what they say is to happen then, not when they happen to come.
        """
        due, told = time.monotonic(), self._time
        while not self._stopping.is_set():
            due = max(due + _STEP, time.monotonic() - _LAG)
            try:
                self._wait_for_poses()
                with self.lock:
                    self.hand.advance()
                    self.arm.advance()
                    self._arm_front.advance()
                    self._plant.advance(_STEP * self.settings.time_factor)
                    self._time += _STEP * self.settings.time_factor
                    if self._clock is not None:
                        self._clock.publish(Clock(clock=stamp_message(int(self._time * 1e9))))
                    if self._time - told >= _STATES:
                        told = self._time
                        header = Header(stamp=self.node.get_clock().now().to_msg())
                        self._hand_front.tell(header)
                        self._arm_front.tell(header)
            except Exception as error:  # the publishers are gone with the node, or the physics diverged
                self.failure = error
                return
            time.sleep(max(0.0, due - time.monotonic()))

    def _wait_for_poses(self) -> None:
        """Until the stream of poses reaches up to now, or has ended."""
        end, stream = time.monotonic() + _PATIENCE, self._arm_front.stream
        while True:
            with self.lock:
                if self.arm.is_silent or not stream.lacks(self._time):
                    return
                if time.monotonic() > end:
                    stream.end()
                    return
            if self._stopping.wait(_STEP / 10):
                return
