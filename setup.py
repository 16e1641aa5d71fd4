"""`pip install .`: the library without ROS, for training servers and notebooks."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def data_files(*folders: str) -> list[tuple[str, list[str]]]:
    """Every file below the folders, to be installed under share/gmi_ros."""
    by_folder: dict[str, list[str]] = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file():
                relative = path.relative_to(ROOT)
                by_folder.setdefault(f"share/gmi_ros/{relative.parent}", []).append(str(relative))
    return sorted(by_folder.items())


BAGS = ["rosbags>=0.11,<0.12", "rosbags-image[opencv-headless]>=0.10,<0.11", "zstandard>=0.22,<1", "lz4>=4,<5"]
SIM = ["trimesh>=4.6,<6", "coacd>=1.0,<2"]
DASK = ["distributed>=2024.8,<2027"]
TRAIN = ["matplotlib>=3.8,<4", "scikit-learn>=1.4,<2", "threadpoolctl>=3.1,<4"]

setup(
    name="gmi_ros",
    version=ElementTree.parse(ROOT / "package.xml").findtext("version"),
    description="Grasp motor imagery for a three-finger BarrettHand",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=find_packages(include=["gmi_ros", "gmi_ros.*"]),
    package_data={"gmi_ros.report": ["*.html", "*.css", "*.js"]},
    data_files=[("share/gmi_ros", ["package.xml"]), *data_files("config", "models")],
    install_requires=[
        "numpy>=1.26,<3",
        "scipy>=1.11,<2",
        "torch>=2.2,<3",
        "safetensors>=0.4,<1",
        "mujoco>=4.0,<5",
        "pyyaml>=6,<7",
        "pillow>=10,<14",
        "tqdm>=4.66,<5",
    ],
    extras_require={
        "sim": SIM,
        "dask": DASK,
        "train": TRAIN,
        "bags": BAGS,
        "dev": [*SIM, *DASK, *TRAIN, *BAGS, "pytest>=8,<10"],
    },
    entry_points={"console_scripts": ["gmi = gmi_ros.cli.main:main"]},
)
