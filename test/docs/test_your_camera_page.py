"""docs/table_mask.py: it marks what stands on the table, as the simulated camera's own mask does."""

import importlib.util

import numpy as np
import pytest

from doc_pages import DOCS
from gmi_ros.sim.camera import KINECT, Camera, look_at, render
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.objects import find_object

spec = importlib.util.spec_from_file_location("table_mask", DOCS / "table_mask.py")
table_mask = importlib.util.module_from_spec(spec)
spec.loader.exec_module(table_mask)


@pytest.mark.parametrize("name", ["carton_2", "bottle_0", "mug_0"])
def test_the_mask_of_what_stands_on_the_table(name):
    cell = Cell(find_object(name), None)
    camera = Camera(KINECT, look_at(np.array([0, 0, 0.05]), 0.3, 0.9, 0.7))
    frame = render(cell.model, cell.data, camera, {cell.object_body: 1})
    labels = table_mask.table_mask(frame.depth.astype(float), frame.intrinsics.k)
    truth, found = frame.mask == 1, labels == 1
    assert labels.max() == 1 and labels.shape == frame.mask.shape
    assert (truth & found).sum() / (truth | found).sum() > 0.8
    assert (table_mask.table_mask(frame.depth * np.nan, frame.intrinsics.k) == 0).all()
