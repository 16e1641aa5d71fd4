"""Launch arguments for a bag: the topics and transports that it has, so that nobody must name them."""

import os
from collections.abc import Mapping

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.cameras import Camera
from gmi_ros.experience.topics import DEFAULTS, SUFFIXES, TopicMap, transport_of


def of_bag(values: Mapping[str, str], camera: Camera | None) -> dict[str, str]:
    """The same arguments with the topics and transports that the bag has, on the bag's clock.

    Raises:
        GmiError: BAD_SETTING with sim, or where a transport is asked for that the bag has not; the bag's errors, and
            BAD_REQUEST where its topics are missing or ambiguous.
    """
    # A launch file that replays nothing does not need what reads bags.
    from gmi_ros.experience.bag import Bag

    if values["sim"] == "true":
        raise GmiError(ErrorCode.BAD_SETTING, "bag and sim: true exclude each other: both publish the camera's images")
    preset = camera.topics if camera else None
    given = {role: values[f"{role}_topic"] or (getattr(preset, role) if preset else "") for role in DEFAULTS}
    if not values["mask_topic"] and given["mask"] == DEFAULTS["mask"]:
        given["mask"] = ""  # masks are not the camera's: another topic may be guessed
    with Bag(os.path.expanduser(values["bag"])) as bag:
        found = TopicMap(**{role: name or None for role, name in given.items()}).resolve(bag.types)
    changed = {**values, "use_sim_time": "true", "bag": os.path.abspath(os.path.expanduser(values["bag"]))}
    for role, name in zip(DEFAULTS, found.names(), strict=True):
        transport = transport_of(name)
        changed[f"{role}_topic"] = name.removesuffix(SUFFIXES[transport])
        if f"{role}_transport" in values:
            if values[f"{role}_transport"] not in ("", transport):
                raise GmiError(
                    ErrorCode.BAD_SETTING,
                    f"{role}_transport is {values[f'{role}_transport']}, but the bag has {name}, which is {transport}",
                )
            changed[f"{role}_transport"] = transport
    return changed
