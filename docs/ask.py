"""Ask /synthesize_grasp once and say what it answered, where there is no ros2 command.

.venv/bin/python docs/ask.py [LABEL]
"""

import sys

import gmi_ros  # noqa: F401  before rclpy: it finds the interfaces and the middleware's libraries
import rclpy
from gmi_ros.srv import SynthesizeGrasp

rclpy.init()
node = rclpy.create_node("ask")
client = node.create_client(SynthesizeGrasp, "/synthesize_grasp")
if not client.wait_for_service(timeout_sec=10.0):
    sys.exit("nobody serves /synthesize_grasp: is grasp_synthesizer running, in the same ROS_DOMAIN_ID?")
label = int(sys.argv[1]) if len(sys.argv) > 1 else 0
future = client.call_async(SynthesizeGrasp.Request(max_grasps=3, target_label=label))
rclpy.spin_until_future_complete(node, future, timeout_sec=10.0)
answer = future.result()
if answer is None:
    sys.exit("no answer within 10 s")
print(f"error_code {answer.error_code}: {answer.message}")
for grasp in answer.grasps:
    p = grasp.wrist_pose.position
    print(f"score {grasp.score:.3f}, palm at {p.x:.3f} {p.y:.3f} {p.z:.3f} m in {answer.object_frame.header.frame_id}")
rclpy.shutdown()
