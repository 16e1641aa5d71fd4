"""Frames from files: formats, units, and what is said about files that are none."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gmi_ros.cli.frame_files import read_camera, read_depth, read_frame, read_mask, read_rgb
from gmi_ros.core.errors import ErrorCode, GmiError


def refused(code, read, *arguments, match=None):
    with pytest.raises(GmiError, match=match) as caught:
        read(*arguments)
    assert caught.value.code is code, caught.value


def test_the_frame_of_four_files(frame_files):
    frame = read_frame(**frame_files)
    assert frame.rgb.shape == (120, 160, 3) and frame.labels() == [255]
    assert frame.depth.dtype == np.float32 and frame.depth[50, 75] == np.float32(0.6)


def test_masks_that_a_jpeg_has_smeared_are_refused(tmp_path):
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / "mask.jpg")
    refused(ErrorCode.UNKNOWN_ENCODING, read_mask, tmp_path / "mask.jpg", match="exact, and JPEG changes them")


def test_a_camera_with_distortion_is_told_and_one_by_columns_refused(tmp_path, capsys):
    def camera(**more):
        given = {"width": 640, "height": 480, "K": [525, 0, 319.5, 0, 525, 239.5, 0, 0, 1]}
        (tmp_path / "c.json").write_text(json.dumps(given | more))
        return read_camera(tmp_path / "c.json")

    camera(D=[0.0] * 5)
    assert not capsys.readouterr().err
    camera(D=[0.1, 0, 0, 0, 0])
    assert "distortion is not undone" in capsys.readouterr().err
    with pytest.raises(GmiError, match="last row must be 0, 0, 1, got 319.5, 239.5, 1: .*column by column") as caught:
        camera(K=[525, 0, 0, 0, 525, 0, 319.5, 239.5, 1])
    assert caught.value.code is ErrorCode.BAD_INTRINSICS


def test_a_picture_may_come_through_a_pipe(tmp_path):
    Image.fromarray(np.full((2, 3), 7, np.uint8)).save(tmp_path / "mask.png")
    read, write = os.pipe()
    os.write(write, (tmp_path / "mask.png").read_bytes())
    os.close(write)
    try:
        assert (read_mask(Path(f"/dev/fd/{read}")) == 7).all()
    finally:
        os.close(read)


def test_depth_in_every_format_is_metres(tmp_path):
    metres = np.array([[0.5, 1.25], [0.0, 2.0]], np.float32)
    np.save(tmp_path / "flat.npy", metres)
    np.save(tmp_path / "deep.npy", metres[..., None].astype(np.float64))
    Image.fromarray(np.rint(metres * 1000).astype(np.uint16)).save(tmp_path / "mm.png")
    for name in ("flat.npy", "deep.npy", "mm.png"):
        np.testing.assert_allclose(read_depth(tmp_path / name), metres, atol=1e-6)


def test_masks_are_labels(tmp_path):
    labels = np.array([[0, 3], [255, 0]], np.uint8)
    Image.fromarray(labels).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([labels] * 3, axis=-1)).save(tmp_path / "rgb.png")
    Image.fromarray(labels.astype(np.uint16)).save(tmp_path / "wide.png")
    for name in ("grey.png", "rgb.png", "wide.png"):
        np.testing.assert_array_equal(read_mask(tmp_path / name), labels)
    Image.fromarray(labels > 0).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "bits.png"), labels > 0)


def test_cameras_of_ros_calibrations_are_read(tmp_path):
    path = tmp_path / "camera.yaml"
    path.write_text("image_width: 4\nimage_height: 3\ncamera_matrix: {rows: 3, data: [5,0,2,0,6,1,0,0,1]}\n")
    camera = read_camera(path)
    assert (camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy) == (4, 3, 5, 6, 2, 1)


def test_refusals(tmp_path):
    missing, text, folder = tmp_path / "no.png", tmp_path / "text.png", tmp_path
    text.write_text("no picture")
    for read in (read_rgb, read_depth, read_mask):
        refused(ErrorCode.FILE_NOT_FOUND, read, missing, match="No such file")
        refused(ErrorCode.FILE_NOT_FOUND, read, folder)
        refused(ErrorCode.FILE_DAMAGED, read, text, match="not a readable picture")
    refused(ErrorCode.FILE_NOT_FOUND, read_camera, missing)

    colours = tmp_path / "colours.png"
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(2, 2, 3)).save(colours)
    refused(ErrorCode.UNKNOWN_ENCODING, read_depth, colours, match="16-bit png")
    refused(ErrorCode.UNKNOWN_ENCODING, read_mask, colours, match="has colours")
    wide = tmp_path / "wide.png"
    Image.fromarray(np.full((2, 2), 700, np.uint16)).save(wide)
    refused(ErrorCode.UNKNOWN_ENCODING, read_rgb, wide, match="8 bits")


def test_depth_arrays_that_are_none(tmp_path):
    path = tmp_path / "depth.npy"
    np.save(path, np.full((2, 2), 700, np.uint16))
    refused(ErrorCode.UNKNOWN_ENCODING, read_depth, path, match="floats in metres, got uint16")
    np.save(path, np.zeros((2, 2, 3)))
    refused(ErrorCode.FILE_DAMAGED, read_depth, path, match=r"\(h, w\) or \(h, w, 1\), got \(2, 2, 3\)")
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    refused(ErrorCode.FILE_DAMAGED, read_depth, path)
    path.write_bytes(path.read_bytes()[:20])
    refused(ErrorCode.FILE_DAMAGED, read_depth, path)


@pytest.mark.parametrize(
    "text, code",
    [
        ("[1, 2]", ErrorCode.BAD_INTRINSICS),
        ('{"width": 4, "height": 3}', ErrorCode.BAD_INTRINSICS),
        ('{"width": 4, "height": 3, "K": [1, 2]}', ErrorCode.BAD_INTRINSICS),
        ('{"width": 4, "height": 3, "K": [0, 0, 0, 0, 0, 0, 0, 0, 0]}', ErrorCode.BAD_INTRINSICS),
        ('{"width": "x", "height": 3, "K": [1, 0, 0, 0, 1, 0, 0, 0, 1]}', ErrorCode.BAD_INTRINSICS),
        ('{"width": 4, "height": 3, "K": {"a": 1}}', ErrorCode.BAD_INTRINSICS),
        ('{"width": 4,', ErrorCode.FILE_DAMAGED),
    ],
)
def test_cameras_that_are_none(text, code, tmp_path):
    path = tmp_path / "camera.json"
    path.write_text(text)
    refused(code, read_camera, path)
