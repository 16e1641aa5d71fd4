"""A large store answers as a small one does; `make soak` prints how fast it is at 100,000 records with pixels.

Figures are wall-clock medians, and in brackets the processor time of this process, which a busy machine does not change.
"""

import os
import time

import numpy as np
import pytest
from episodes import make_pose, make_robot_episode

from gmi_ros.experience import rows, tables
from gmi_ros.experience.episode import Pixels
from gmi_ros.experience.store import Store

RECORDS, SCENES = 100_000, 200
SPLITS = ("live", "unpaired")
OBJECTS = tuple(f"thing_{i}" for i in range(50))


def make_scene(rng) -> Pixels:
    """An object on a table as a 16-bit depth camera sees it: noise in all colours, depth in millimetres."""
    v, u = np.mgrid[:64, :64] - 31.5
    mask = (u / rng.uniform(6, 20)) ** 2 + (v / rng.uniform(6, 20)) ** 2 < 1
    colour = np.where(mask[..., None], rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)) * (1 + v[..., None] / 300)
    rgb = np.clip(colour + rng.normal(0, 3, (64, 64, 3)), 0, 255).astype(np.uint8)
    height = np.where(mask, 0.0, 0.06) + v * 1e-3 + rng.normal(0, 1e-3, (64, 64))
    return Pixels(rgb, (np.rint(height * 1000) / 1000).astype(np.float32), mask)


def values(number: int) -> dict:
    """What differs from record to record, beside the image."""
    return {
        "outcome_id": f"outcome-{number}", "grasp_id": f"grasp-{number}", "observation_id": f"outcome-{number}",
        "stamp_ns": 10**18 + number * 10**9, "split": SPLITS[number % 10 == 0], "object_name": OBJECTS[number % 50],
        "judged_by": ("sensor", "lift")[number % 2], "model_hash": f"{number % 3:016}", "success": number % 4 == 0,
    }  # fmt: skip


def make_record(number: int):
    rng = np.random.default_rng([number % SCENES, 1])
    common = {"pixels": make_scene(rng), "camera_from_object": make_pose(rng), "note": "", "judged_ns": 0}
    return make_robot_episode(number % SCENES, **common, **values(number))


def fill(store: Store, n: int) -> None:
    """Add n records in transactions of 500; each has its image, though there are SCENES different ones."""
    scenes = [rows.encode(make_record(i)) for i in range(min(n, SCENES))]
    for start in range(0, n, 500):
        with store.writing() as database:
            for i in range(start, min(start + 500, n)):
                told = values(i)
                tables.insert(database, scenes[i % SCENES]._replace(**told | {"success": int(told["success"])}))


def timed(told: dict, name: str, times: int, work):
    """What `work(k)` returns the last time; notes the medians [ms]."""
    wall, busy, found = [], [], None
    for k in range(times):
        started, processor = time.perf_counter(), time.process_time()
        found = work(k)
        wall.append(time.perf_counter() - started)
        busy.append(time.process_time() - processor)
    told[name] = f"{1000 * np.median(wall):.2f} ms ({1000 * np.median(busy):.2f})"
    return found


@pytest.mark.soak
def test_a_large_store(tmp_path, soak_scale):
    path, n, rng, told = tmp_path / "store.db", round(RECORDS * soak_scale), np.random.default_rng(1), {}
    repeats = 100 if n == RECORDS else 3
    with Store(path, "rw") as store:
        fill(store, n)
        new = [make_record(i) for i in range(n, n + repeats)]
        with (tmp_path / "bare").open("wb") as bare:
            timed(told, "30 kB and fsync", repeats, lambda k: (bare.write(bytes(30_000)), bare.flush(), os.fsync(bare)))
        timed(told, "append, one transaction", repeats, lambda k: store.add(new[k]))
        timed(told, "judge", repeats, lambda k: store.judge(f"outcome-{n + k}", True))
        n += repeats
        assert len(store) == n
        told["bytes of a record"] = f"{store.size_bytes() / n:.0f}"
    numbers = np.arange(n)
    with Store(path) as store:
        listed = timed(told, "list 50", 5, lambda k: store.summaries(50))
        assert [s.outcome_id for s in listed] == [f"outcome-{i}" for i in numbers[::-1][: len(listed)]]
        assert len(timed(told, "list all", 5, lambda k: store.summaries())) == n
        chosen = {
            "success": numbers[(numbers % 4 == 0) | (numbers >= n - repeats)],
            "split, object, judge": numbers[(numbers % 10 == 0) & (numbers % 50 == 20) & (numbers < n - repeats)],
            "an hour": numbers[(numbers >= 100) & (numbers <= 3700)],
        }
        filters = (
            {"success": True},
            {"split": "unpaired", "object_name": "thing_20", "judged_by": "sensor"},
            {"since_ns": 10**18 + 100 * 10**9, "until_ns": 10**18 + 3700 * 10**9},
        )
        for (name, wanted), chosen_by in zip(chosen.items(), filters, strict=True):
            found_rows = timed(told, f"filter by {name}", 5, lambda k, by=chosen_by: store.ids(**by))
            assert (found_rows == wanted + 1).all() and store.totals(**chosen_by)[0] == len(wanted) == len(found_rows)
            found = timed(told, f"list by {name}", 5, lambda k, by=chosen_by: store.summaries(**by))
            assert [s.row for s in found] == found_rows[::-1].tolist()
        all_rows = store.ids()
        store.batch(rng.choice(all_rows, 100))
        minibatches = [rng.choice(all_rows, 100) for _ in range(repeats)]
        batch = timed(told, "minibatch of 100", repeats, lambda k: store.batch(minibatches[k]))
        assert [e.outcome_id for e in batch] == [f"outcome-{row - 1}" for row in minibatches[-1]]
        wanted = make_record(int(minibatches[-1][0]) - 1)
        np.testing.assert_array_equal(batch[0].pixels.rgb, wanted.pixels.rgb)
        np.testing.assert_array_equal(batch[0].pixels.depth, wanted.pixels.depth)
    path.unlink()  # it is large
    print(f"\n{n} records with pixels: " + "; ".join(f"{name} {figure}" for name, figure in told.items()))
