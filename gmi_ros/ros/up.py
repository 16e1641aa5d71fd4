"""Starting the nodes without launch_ros."""

import time
from collections.abc import Mapping

from gmi_ros.ros.children import Children
from gmi_ros.ros.processes import node_starts, use_image_profile


def up(values: Mapping[str, str]) -> dict:
    """Start the nodes that these launch arguments ask for and stay until Ctrl-C or SIGTERM.

    Returns:
        nodes: their names.

    Raises:
        GmiError: BAD_SETTING (so for a program that is not installed), FILE_NOT_FOUND; INTERNAL where a node ended by
            itself, with its last log lines. The other nodes are ended then.
    """
    starts = node_starts(values)
    use_image_profile()
    with Children(on_line=lambda name, line: print(f"[{name}] {line}", flush=True)) as children:
        for start in starts:
            children.start_node(start)
        try:
            while True:
                children.check()
                time.sleep(0.2)
        except KeyboardInterrupt:
            pass  # the ordinary end
    return {"nodes": [start.name for start in starts]}
