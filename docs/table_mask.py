"""A mask of everything that stands on a table, for the first grasps without a segmenter.

    .venv/bin/python docs/table_mask.py --ros-args -r depth/image:=TOPIC -r camera_info:=TOPIC -r mask:=TOPIC

The table must be the largest plane in view. Each thing that stands apart from the others is one label, the largest 1.
What touches the border of the image, and what is smaller than LEAST pixels, is left out.
"""

from array import array

import gmi_ros  # noqa: F401  before rclpy: it finds the interfaces and the middleware's libraries
import numpy as np
from scipy import ndimage

HIGHER = 0.012  # [m] above the table is an object
TOLERANCE = 0.008  # [m] from the plane is the table
LEAST = 300  # [px]


def table_mask(depth: np.ndarray, k: np.ndarray, seed: int = 0) -> np.ndarray:
    """Labels (h, w) uint16 of a depth image (h, w) [m] with the camera matrix k (3, 3)."""
    v, u = np.indices(depth.shape)
    seen = np.isfinite(depth) & (depth > 0)
    z = np.where(seen, depth, 0.0)
    points = np.stack([(u - k[0, 2]) / k[0, 0] * z, (v - k[1, 2]) / k[1, 1] * z, z], axis=-1)  # (h, w, 3) [m]
    some = points[seen][:: max(1, seen.sum() // 3000)]
    if len(some) < 100:
        return np.zeros(depth.shape, np.uint16)
    a, b, c = some[np.random.default_rng(seed).integers(len(some), size=(3, 200))]  # corners of 200 planes
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    away = np.abs(some @ normals.T - (a * normals).sum(axis=1)) < TOLERANCE  # (points, planes)
    table = some[away[:, away.sum(axis=0).argmax()]]
    centre = table.mean(axis=0)
    normal = np.linalg.svd(table - centre, full_matrices=False)[2][2]
    height = (points - centre) @ (normal if normal @ centre < 0 else -normal)  # the camera is above the table
    parts, _ = ndimage.label(ndimage.binary_opening(seen & (height > HIGHER), iterations=2))
    sizes = np.bincount(parts.ravel())
    cut = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    kept = [i for i in np.argsort(-sizes) if i and sizes[i] >= LEAST and i not in cut][:255]
    labels = np.zeros(len(sizes), np.uint16)
    labels[kept] = np.arange(1, len(kept) + 1)
    return labels[parts]


def main() -> None:
    """The node: a mask for each depth image, with that image's header."""
    import rclpy
    from rclpy.executors import ExternalShutdownException
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import CameraInfo, Image

    from gmi_ros.ros.processes import use_image_profile

    use_image_profile()  # without it the middleware loses half of the images between processes
    rclpy.init()
    newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)  # what every camera fits
    node, k = rclpy.create_node("table_mask"), []
    publisher = node.create_publisher(Image, "mask", 5)

    def take(image: Image) -> None:
        if not k:
            return  # no camera_info yet
        kind = {"16UC1": np.uint16, "32FC1": np.float32}[image.encoding]
        rows = np.frombuffer(bytes(image.data), np.uint8).reshape(image.height, image.step)
        depth = rows[:, : image.width * np.dtype(kind).itemsize].copy().view(kind).astype(float)
        mask = table_mask(depth * (0.001 if kind is np.uint16 else 1.0), k[0]).astype(np.uint8)
        publisher.publish(
            Image(
                header=image.header,
                height=image.height,
                width=image.width,
                encoding="mono8",
                step=image.width,
                data=array("B", mask.tobytes()),
            )
        )

    info = lambda message: k.__setitem__(slice(None), [np.reshape(message.k, (3, 3))])  # noqa: E731
    node.create_subscription(CameraInfo, "camera_info", info, newest)
    node.create_subscription(Image, "depth/image", take, newest)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
