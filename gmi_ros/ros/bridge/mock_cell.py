"""The node mock_cell: the simulated cell with its camera, whose hand and arm are driven through mock drivers."""

import sys

import numpy as np
from std_srvs.srv import Trigger

from gmi_ros.ros.bridge.fronts import Fronts
from gmi_ros.ros.bridge.mock_settings import MockCellSettings
from gmi_ros.ros.node_main import run_node
from gmi_ros.ros.processes import use_image_profile
from gmi_ros.ros.sim_cell import SimCell
from gmi_ros.sim.live import LiveCell

MOCK_CELL = "mock_cell"


class MockCell(SimCell):
    """sim_cell, but for execute_grasp: it serves the drivers that hand_bridge talks to, in real time.

    The arm's base frame is the camera's. While the hand is near the object no images are published.
    """

    NAME, SETTINGS = MOCK_CELL, MockCellSettings

    def destroy_node(self) -> None:
        """Also the drivers."""
        self.fronts.close()
        super(SimCell, self).destroy_node()

    @property
    def plant(self) -> LiveCell:
        """The cell as it is driven."""
        return self._plant

    def _serve(self) -> None:
        self._plant = self._new_plant()
        self._shown = self._world.cell.world_from_object
        self.fronts = Fronts(self, self._plant, self._world.hand, self._settings, self._settings.frame_id)

    def _new_plant(self) -> LiveCell:
        return LiveCell(self._world.cell, self._world.world_from_camera)

    def _publish(self) -> None:
        """Nothing while the hand is near; a new picture once the object has been moved."""
        with self.fronts.lock:
            if self._plant.is_near or not self._plant.is_at_rest:
                return
            now = self._world.cell.world_from_object
            if np.abs(now - self._shown).max() > 1e-3:
                self._shown, self._images = now, None
            super()._publish()

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self.fronts.lock:
            response = super()._reset(request, response)
            self._plant = self._new_plant()
            self._shown = self._world.cell.world_from_object
            self.fronts.replace_plant(self._plant)
        return response


def main() -> None:
    """Entry point of the executable."""
    use_image_profile()
    sys.exit(run_node(MockCell))
