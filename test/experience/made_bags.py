"""Small bags for tests: image sets with jitter, drops and mixed arrival, written by our writer."""

import numpy as np
from rosbags.typesys import Stores, get_typestore

from gmi_ros.experience.bag_writer import BagWriter
from gmi_ros.experience.topics import CAMERA_INFO, DEFAULTS, IMAGE

STORE = get_typestore(Stores.ROS2_JAZZY)
TYPES = STORE.types
W, H, MS = 8, 6, 1_000_000
NAMES = tuple(DEFAULTS.values())
N_SETS = 12


def header(stamp_ns):
    time = TYPES["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
    return TYPES["std_msgs/msg/Header"](time, "camera_optical")


def image(array, encoding, stamp_ns):
    data = np.frombuffer(array.tobytes(), np.uint8)
    return TYPES[IMAGE](header(stamp_ns), H, W, encoding, 0, data.size // H, data)


def camera_info(stamp_ns):
    roi = TYPES["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    k = np.array([10.0, 0, 4, 0, 10, 3, 0, 0, 1])
    r, p = np.eye(3).ravel(), np.zeros(12)
    return TYPES[CAMERA_INFO](header(stamp_ns), H, W, "plumb_bob", np.zeros(0), k, r, p, 0, 0, roi)


def messages(seed=1, n_sets=N_SETS):
    """(topic index, receive time, stamp, message) of n_sets sets with jitter, a drop now and then, arrival mixed."""
    rng = np.random.default_rng(seed)
    stream = []
    for i in range(n_sets):
        stamp = 1_000_000_000 + i * 33 * MS
        rgb = rng.integers(0, 255, (H, W, 3), dtype=np.uint8)
        depth = rng.integers(500, 900, (H, W)).astype(np.uint16)
        mask = (rng.random((H, W)) > 0.5).astype(np.uint8)
        stamps = [stamp + int(rng.integers(0, 3 * MS)) for _ in range(4)]
        content = (
            image(rgb, "rgb8", stamps[0]), image(depth, "16UC1", stamps[1]), camera_info(stamps[2]),
            image(mask, "mono8", stamps[3]),
        )  # fmt: skip
        for index, message in enumerate(content):
            if rng.random() > 0.08:
                stream.append((index, stamps[index] + int(rng.integers(0, 60 * MS)), stamps[index], message))
    return sorted(stream, key=lambda item: item[1])


def write_bag(path, storage="mcap", names=NAMES, stream=None, leave_out=()):
    with BagWriter(path, storage) as bag:
        for index, name in enumerate(names):
            if index not in leave_out:
                bag.add_topic(name, CAMERA_INFO if index == 2 else IMAGE)
        for index, received, _, message in messages() if stream is None else stream:
            if index not in leave_out:
                cdr = bytes(STORE.serialize_cdr(message, CAMERA_INFO if index == 2 else IMAGE))
                bag.write(names[index], cdr, received)
    return path


def storage_file(bag):
    return next(f for f in bag.iterdir() if f.suffix in (".mcap", ".db3"))
