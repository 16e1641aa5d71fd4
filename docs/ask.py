"""Ask /synthesize_grasp once and say what it answered, where there is no ros2 command."""

import argparse
import sys

import gmi_ros  # noqa: F401  before rclpy: it finds the interfaces and the middleware's libraries
import rclpy
from gmi_ros.srv import SynthesizeGrasp

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("label", nargs="?", type=int, default=0, help="of the object in the mask (default: 0, the largest)")
parser.add_argument("--execute", action="store_true", help="send the best grasp to execute_grasp")
args = parser.parse_args()
rclpy.init()
node = rclpy.create_node("ask")
client = node.create_client(SynthesizeGrasp, "/synthesize_grasp")
if not client.wait_for_service(timeout_sec=10.0):
    sys.exit("nobody serves /synthesize_grasp: is grasp_synthesizer running, in the same ROS_DOMAIN_ID?")
future = client.call_async(SynthesizeGrasp.Request(max_grasps=3, target_label=args.label, execute=args.execute))
rclpy.spin_until_future_complete(node, future, timeout_sec=10.0)
answer = future.result()
if answer is None:
    sys.exit("no answer within 10 s")
print(f"error_code {answer.error_code}: {answer.message}")
for grasp in answer.grasps:
    p = grasp.wrist_pose.position
    print(f"score {grasp.score:.3f}, palm at {p.x:.3f} {p.y:.3f} {p.z:.3f} m in {answer.object_frame.header.frame_id}")
if args.execute:
    print(f"executing as {answer.execution_id}" if answer.goal_accepted else "not executed")
rclpy.shutdown()
