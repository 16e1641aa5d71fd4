"""Write the golden outputs of genuine message_filters and cv_bridge (`make genuine`).

    python3 test/golden/make_golden.py [--out DIR] [--note TEXT]

Needs a ROS 2 installation with both packages; exits 1 and says what is missing otherwise. The inputs are seeded, so a
second run differs from the committed files only where the genuine packages do.
"""

import argparse
import base64
import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from sequences import N_SEQUENCES, Sequence, digest, make_sequence

ENCODINGS = (
    ("rgb8", "u1", 3), ("bgr8", "u1", 3), ("rgba8", "u1", 4), ("bgra8", "u1", 4), ("mono8", "u1", 1),
    ("mono16", "u2", 1), ("8UC1", "u1", 1), ("8SC1", "i1", 1), ("16UC1", "u2", 1), ("16SC1", "i2", 1),
    ("32SC1", "i4", 1), ("32FC1", "f4", 1), ("64FC1", "f8", 1), ("32FC2", "f4", 2), ("16UC3", "u2", 3),
)  # fmt: skip


def run_message_filters(sequence: Sequence) -> list:
    """What the genuine synchroniser emits: [number of the event that completed it, [numbers of the events in it]]."""
    from builtin_interfaces.msg import Time
    from message_filters import ApproximateTimeSynchronizer, SimpleFilter

    inputs = [SimpleFilter() for _ in range(sequence.n_topics)]
    synchronizer = ApproximateTimeSynchronizer(inputs, sequence.queue_size, sequence.slop_s)
    sets, now = [], [0]
    synchronizer.registerCallback(lambda *messages: sets.append([now[0], [m.number for m in messages]]))
    for number, event in enumerate(sequence.events):
        now[0] = number
        if event is None:
            for queue in synchronizer.queues:
                queue.clear()
            continue
        topic, stamp_ns = event
        sec, nanosec = divmod(stamp_ns, 1_000_000_000)
        header = SimpleNamespace(stamp=Time(sec=sec, nanosec=nanosec))
        inputs[topic].signalMessage(SimpleNamespace(header=header, number=number))
    return sets


def make_images() -> list[dict]:
    """5x4 images of every encoding: rows padded by two pixels or not, both byte orders.

    The padding is whole pixels: genuine cv_bridge shears rows whose step is no multiple of the pixel's size.
    """
    rng = np.random.default_rng(1)
    images = []
    for encoding, kind, channels in ENCODINGS:
        for padding in (0, 2):
            for big in (0, 1):
                dtype = np.dtype(kind).newbyteorder(">" if big else "<")
                values = rng.integers(0, 100, (4, 5 + padding, channels)) + (0.25 if kind[0] == "f" else 0)
                data = np.ascontiguousarray(values.astype(dtype))
                images.append(
                    {
                        "encoding": encoding,
                        "height": 4,
                        "width": 5,
                        "is_bigendian": big,
                        "step": (5 + padding) * channels * dtype.itemsize,
                        "data": _text(data.tobytes()),
                    }  # fmt: skip
                )
    return images


def run_cv_bridge(image: dict) -> dict:
    """The genuine passthrough array, as little-endian bytes."""
    from cv_bridge import CvBridge

    message = SimpleNamespace(**{**image, "data": base64.b64decode(image["data"])})
    array = CvBridge().imgmsg_to_cv2(message, "passthrough")
    little = array.astype(array.dtype.newbyteorder("<"))
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": _text(little.tobytes())}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _write(path: Path, cases: list[dict], note: str) -> None:
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    path.write_text(f'{{"made_with": {json.dumps(note)},\n"cases": [\n{lines}\n]}}\n')
    print(f"{path}: {len(cases)} cases")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--note", default="as installed", help="which versions made the files")
    arguments = parser.parse_args()
    missing = []
    for module in ("rclpy", "message_filters", "cv_bridge", "cv_bridge.boost.cv_bridge_boost"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            missing.append(f"{module} ({error})")
    if missing:
        print(f"cannot make golden data, not importable: {'; '.join(missing)}", file=sys.stderr)
        return 1

    cases = []
    for sequence in map(make_sequence, range(N_SEQUENCES)):
        sets = run_message_filters(sequence)
        cases.append({"seed": sequence.seed, "sequence": sequence.digest, "n_sets": len(sets), "sets": digest(sets)})
    _write(arguments.out / "synchronizer.json", cases, arguments.note)
    arrays = [{**image, "array": run_cv_bridge(image)} for image in make_images()]
    _write(arguments.out / "images.json", arrays, arguments.note)
    return 0


if __name__ == "__main__":
    sys.exit(main())
