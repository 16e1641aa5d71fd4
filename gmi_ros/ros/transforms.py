"""The pose of the camera in the frame of the answers."""

import time

import numpy as np
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.ros import compat

_POLL_S = 0.005


class Transforms:
    """The pose of the camera in the frame of the answers: given, or asked of tf2 at the image's stamp."""

    def __init__(self, node: Node, target_frame: str, target_from_camera: np.ndarray | None):
        """Args:
            target_from_camera: (4, 4) where the pose is given; then tf2 is not asked.

        Raises:
            GmiError: BAD_SETTING where a target_frame is wanted, no pose is given and there is no tf2.
        """
        self._target_frame, self._given, self._buffer = target_frame, target_from_camera, None
        if not target_frame or target_from_camera is not None:
            return
        if compat.tf2_ros is None:
            raise GmiError(
                ErrorCode.BAD_SETTING,
                f"target_frame is {target_frame!r} and tf2_ros is not installed: give camera_pose "
                "(x y z qx qy qz qw of the camera in target_frame), or leave target_frame empty",
            )
        self._node, self._buffer = node, compat.tf2_ros.Buffer(node=node)
        self._listener = compat.tf2_ros.TransformListener(self._buffer, node)
        # tf2's Python keeps what it heard before a jump back (ros2/geometry2#606).
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
        self._jump = node.get_clock().create_jump_callback(threshold, post_callback=lambda _: self._forget())

    def close(self) -> None:
        """Stop listening."""
        if self._buffer is not None:
            self._jump.unregister()
            self._listener.unregister()

    def _forget(self) -> None:
        """Begin anew; listening again brings back the static transforms, which are sent only once."""
        self._buffer.clear()
        self._listener.unregister()
        self._listener = compat.tf2_ros.TransformListener(self._buffer, self._node)

    def output_from_camera(self, camera_frame: str, stamp_ns: int, timeout: float) -> np.ndarray | None:
        """(4, 4), or None where the answers are in the camera's frame. Waits at most `timeout` [s]: not in a callback.

        Raises:
            GmiError: TRANSFORM_UNAVAILABLE.
        """
        if not self._target_frame or self._target_frame == camera_frame:
            return None
        if self._given is not None:
            return self._given
        # Not the buffer's own wait: that one goes by the node's clock, which may stand still.
        end, at, now = time.monotonic() + timeout, Time(nanoseconds=stamp_ns), Duration()
        while not self._buffer.can_transform(self._target_frame, camera_frame, at, now) and time.monotonic() < end:
            time.sleep(_POLL_S)
        try:
            found = self._buffer.lookup_transform(self._target_frame, camera_frame, at, now)
        except compat.tf2_ros.TransformException as error:
            raise GmiError(
                ErrorCode.TRANSFORM_UNAVAILABLE,
                f"no transform from {camera_frame!r} to {self._target_frame!r} at the image's stamp "
                f"{stamp_ns / 1e9:.3f} s after {timeout:g} s (tf_timeout): {error}",
            ) from error
        t, q = found.transform.translation, found.transform.rotation
        return poses.from_xyzw(np.array([t.x, t.y, t.z]), np.array([q.x, q.y, q.z, q.w]))
