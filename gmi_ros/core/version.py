"""The package's version, which is written in package.xml and nowhere else."""

from functools import cache
from xml.etree import ElementTree

from gmi_ros.core.resources import resource


@cache
def version() -> str:
    """Such as `0.1.0`."""
    return ElementTree.parse(resource("package.xml")).getroot().findtext("version").strip()
