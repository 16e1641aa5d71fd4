"""What grasp_synthesizer says on its topics: the best grasp, what the network saw, and what came of executions."""

from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from gmi_ros import msg
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.ros import qos
from gmi_ros.ros.answer import Answer
from gmi_ros.ros.convert import contact_targets, header_message, network_view, observation_message, pose_stamped
from gmi_ros.ros.joint_names import PRESETS
from gmi_ros.ros.markers import grasp_markers


class Outputs:
    """The publishers; they stay while the node is inactive, since what they retain is still wanted."""

    def __init__(self, node: Node):
        self._targets = node.create_publisher(msg.ContactTargets, "~/contact_targets", 1)
        self._wrist_pose = node.create_publisher(PoseStamped, "~/wrist_pose", 1)
        self._markers = node.create_publisher(MarkerArray, "~/markers", 1)
        self._view = node.create_publisher(Image, "~/network_view", 1)
        self._observations = node.create_publisher(
            msg.Observation, "~/observation", qos.retained(qos.OBSERVATIONS_KEPT)
        )
        self._outcomes = node.create_publisher(msg.GraspOutcome, "grasp_outcome", qos.retained(qos.OUTCOMES_KEPT))

    @property
    def subscribers(self) -> dict[str, int]:
        """How many listen to each topic."""
        publishers = (self._targets, self._wrist_pose, self._markers, self._view, self._observations, self._outcomes)
        return {publisher.topic_name: publisher.get_subscription_count() for publisher in publishers}

    def publish(
        self, grasps: list[msg.Grasp], answer: Answer, hand: BarrettHand, joint_name_map: str, camera: str
    ) -> None:
        """The best grasp for controllers and eyes, and what the network saw for the recorder."""
        for report in answer.objects:
            if report.synthesis is not None:
                self._observations.publish(observation_message(report.synthesis, answer.frame, camera))
        if grasps:
            best = grasps[0]
            self._targets.publish(contact_targets(best, PRESETS[joint_name_map]))
            self._wrist_pose.publish(pose_stamped(best.wrist_pose, best.header))
        if self._markers.get_subscription_count():
            self._markers.publish(grasp_markers(grasps, hand))
        if answer.first is not None and self._view.get_subscription_count():
            self._view.publish(network_view(answer.first.observation, header_message(answer.frame)))

    def publish_outcome(self, outcome: msg.GraspOutcome, answer: Answer, camera: str) -> None:
        """The outcome of an execution, after the observation that it was made from.

        Once more: a recorder that began or was flooded since the answer could not pair the outcome.
        """
        self._observations.publish(observation_message(answer.first, answer.frame, camera))
        self._outcomes.publish(outcome)
