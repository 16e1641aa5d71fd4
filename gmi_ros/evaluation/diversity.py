"""How different the grasps are that hold an object: `python -m gmi_ros.evaluation.diversity STORE ..`.

As in the comparisons of multi-finger grasp synthesis (D(R,O), GOAG): standard deviations of where the palm is, how it is
turned and how the fingers stand, of the grasps that held, for each object; here in the object's own frame.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.dataset import successes
from gmi_ros.evaluation.recipes import camera_of, resting_pose
from gmi_ros.experience.episode import Episode

LEAST = 8  # grasps of an object from which a deviation is told


def deviations(object_from_palm: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """(3,) of n grasps: the palm's origin [m], its turn [rad] and the joints [rad], each the mean over its dimensions of
    the standard deviation; of turns the root mean square angle from their mean.

    Args:
        object_from_palm: (n, 4, 4). joints: (n, 4).
    """
    rotations = Rotation.from_matrix(object_from_palm[:, :3, :3])
    turned = (rotations.mean().inv() * rotations).magnitude()
    return np.array(
        [object_from_palm[:, :3, 3].std(axis=0).mean(), np.sqrt((turned**2).mean()), joints.std(axis=0).mean()]
    )


def diversity(episodes: Iterable[Episode]) -> dict:
    """Means over the objects with at least LEAST simulated successes: palm_m, turn_rad, joints_rad, and how many objects
    and grasps.

    Raises:
        GmiError: BAD_REQUEST where no object has as many.
    """
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    for e in episodes:
        if e.recipe is None or e.view:
            continue
        world_from_palm = camera_of(e).world_from_camera @ e.camera_from_palm.astype(float)
        found[e.object_name].append((poses.inverse(resting_pose(e)) @ world_from_palm, e.joints.astype(float)))
    kept = [[np.stack(part) for part in zip(*grasps, strict=True)] for grasps in found.values() if len(grasps) >= LEAST]
    if not kept:
        raise GmiError(ErrorCode.BAD_REQUEST, f"no object has {LEAST} simulated successes: there is nothing to compare")
    told = np.stack([deviations(*grasps) for grasps in kept]).mean(axis=0)
    names = ("palm_m", "turn_rad", "joints_rad")
    return {
        **dict(zip(names, told.tolist(), strict=True)),
        "objects": len(kept),
        "grasps": sum(len(g[0]) for g in kept),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """How different the grasps are that held an object, for each of these stores."""
    parser = argparse.ArgumentParser(prog="python -m gmi_ros.evaluation.diversity", description=main.__doc__)
    parser.add_argument("stores", type=Path, nargs="+", help="experience stores of simulated trials")
    args = parser.parse_args(argv)
    try:
        for path in args.stores:
            told = diversity(successes(path))
            sys.stdout.write(
                f"{path}: palm {1e3 * told['palm_m']:.1f} mm, turn {told['turn_rad']:.2f} rad, joints "
                f"{told['joints_rad']:.3f} rad ({told['grasps']} grasps of {told['objects']} objects)\n"
            )
    except GmiError as error:
        raise SystemExit(f"diversity: {error}") from error


if __name__ == "__main__":
    main()
