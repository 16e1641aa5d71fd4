"""How fast a bag is read and synchronised, and in how much memory."""

import multiprocessing
import re
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.experience.bag_frames import FramesWriter
from gmi_ros.experience.bag_writer import BagWriter
from gmi_ros.experience.bags import read_sets

RATE = 30.0  # sets per second [Hz]
KINECT = Intrinsics(640, 480, 525.0, 525.0, 319.5, 239.5)
SET_BYTES = KINECT.width * KINECT.height * (3 + 2 + 1)
BEGIN_NS = 1_700_000_000_000_000_000
_SCENES = 5  # different frames, shown in turn


def bench_bags(megabytes: int, seed: int = 1) -> dict[str, dict]:
    """`bags`: by storage, a bag of this size [1e6 bytes] of noise at 640x480, 30 Hz, read in a process of its own.

    Returns:
        megabytes, sets, recorded_s (its length), read_s, read_cpu_s, times_real_time, peak_rss_mb (all of the process,
        2^20 bytes).

    Raises:
        GmiError: STORE_UNWRITABLE where the disk has no room for it.
    """
    figures = {}
    for storage in ("mcap", "sqlite3"):
        with TemporaryDirectory(prefix="gmi_bench_") as folder:
            free = shutil.disk_usage(folder).free
            if free < 1.1e6 * megabytes:
                raise GmiError(
                    ErrorCode.STORE_UNWRITABLE, f"a bag of {megabytes} MB needs room in {folder}, free are {free} bytes"
                )
            bag = Path(folder) / "bag"
            write_noise(bag, storage, megabytes, seed)
            size = sum(file.stat().st_size for file in bag.iterdir())
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                n_sets, seconds, used, peak = pool.apply(_read, (str(bag),))
        length = n_sets / RATE
        figures[storage] = {
            "megabytes": round(size / 1e6),
            "sets": n_sets,
            "recorded_s": round(length, 2),
            "read_s": round(seconds, 2),
            "read_cpu_s": round(used, 2),
            "times_real_time": round(length / seconds, 1),
            "peak_rss_mb": round(peak / 1024),
        }
    return {"bags": figures}


def write_noise(path: Path, storage: str, megabytes: int, seed: int) -> None:
    """A bag of so many 1e6 bytes of image sets; noise, so that nothing gets smaller by being packed."""
    rng = np.random.default_rng(seed)
    size = (KINECT.height, KINECT.width)
    scenes = [
        (
            rng.integers(0, 256, (*size, 3), dtype=np.uint8),
            rng.uniform(0.5, 1.0, size).astype(np.float32),
            (rng.random(size) > 0.5).astype(np.uint16),
        )
        for _ in range(_SCENES)
    ]
    with BagWriter(path, storage) as bag:
        writer = FramesWriter(bag)
        for i in range(max(1, int(megabytes * 1e6) // SET_BYTES)):
            stamp = BEGIN_NS + int(i * 1e9 / RATE)
            writer.write(Frame(*scenes[i % _SCENES], KINECT, stamp, "camera"), stamp)


def _read(bag: str) -> tuple[int, float, float, int]:
    """Sets, seconds by the clock and of the processor, and the most memory [kB] of this process."""
    next(read_sets(bag))  # what is imported and made once
    started, used = time.perf_counter(), time.process_time()
    n_sets = sum(1 for _ in read_sets(bag))
    used = time.process_time() - used
    return n_sets, time.perf_counter() - started, used, _peak_kb()


def _peak_kb() -> int:
    """The most memory that this process had [kB]. Not ru_maxrss, which a process takes over from the one that made it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[1])
