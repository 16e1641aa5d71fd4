"""What a grasp is asked for: an object at rest and a camera that looks at it, drawn freely or as recorded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.evaluation.dataset import successes
from gmi_ros.evaluation.recipes import bare_cell, camera_of, object_of, resting_pose
from gmi_ros.sim.camera import Camera, render
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.scenario import draw_scenario


@dataclass(frozen=True)
class Instance:
    """number: of the instance, which its seeds are made of. world_from_object: (4, 4) [m], at rest on the table."""

    number: int
    object_model: ObjectModel
    world_from_object: np.ndarray
    camera: Camera

    def frame(self) -> Frame:
        """What the camera sees."""
        cell = bare_cell(self.object_model)
        cell.reset(self.world_from_object)
        return render(cell.model, cell.data, self.camera, {cell.object_body: 1})


def free_instance(objects: Sequence[ObjectModel], number: int, seed: int, noise: bool = False) -> Instance:
    """Instance `number`: objects in turn, resting pose and camera drawn from the seed, whatever grasps there may be.

    noise: see it with a Kinect's noise.
    """
    object_model = objects[number % len(objects)]
    rng = np.random.default_rng([seed, number])
    scenario = draw_scenario(bare_cell(object_model), rng)
    camera = replace(scenario.camera, noise=int(rng.integers(2**31))) if noise else scenario.camera
    return Instance(number, object_model, scenario.world_from_object, camera)


def recorded_instances(stores: Iterable[Path], n: int, seed: int) -> list[Instance]:
    """n of the recorded successes as they were seen (Table III), drawn without replacement, each in its first view.

    Raises:
        GmiError: BAD_REQUEST where there are fewer; the stores' errors.
    """
    found = [e for path in stores for e in successes(Path(path)) if e.recipe is not None and e.view == 0]
    if len(found) < n:
        message = f"{n} recorded views were asked for, the stores hold {len(found)} simulated successes"
        raise GmiError(ErrorCode.BAD_REQUEST, message)
    chosen = np.sort(np.random.default_rng(seed).choice(len(found), n, replace=False))
    return [
        Instance(number, object_of(found[i]), resting_pose(found[i]), camera_of(found[i]))
        for number, i in enumerate(chosen)
    ]
