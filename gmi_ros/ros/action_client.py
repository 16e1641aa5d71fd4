"""rclpy's ActionClient, without its race: an answer that comes before its question was noted must not get lost."""

import threading
from typing import Any

from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.task import Future


class OrderedActionClient(ActionClient):
    """Sends and notes a question in one piece, while no answer is looked at.

    rclpy notes which answer it waits for after it has sent the question. On an executor with several threads a quick
    server's answer can come in between, and is then ignored: a goal that moves a hand would count as never accepted.
    """

    def __init__(self, *args: Any, **options: Any):
        self._order = threading.RLock()
        super().__init__(*args, **options)

    async def execute(self, taken_data: dict) -> None:
        """Of rclpy: hand on what came."""
        with self._order:
            await super().execute(taken_data)

    def send_goal_async(self, *args: Any, **options: Any) -> Future:
        """As rclpy's."""
        with self._order:
            return super().send_goal_async(*args, **options)

    def _cancel_goal_async(self, goal_handle: ClientGoalHandle) -> Future:
        with self._order:
            return super()._cancel_goal_async(goal_handle)

    def _get_result_async(self, goal_handle: ClientGoalHandle) -> Future:
        with self._order:
            return super()._get_result_async(goal_handle)
