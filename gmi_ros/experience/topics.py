"""Which topics of a bag are the camera's: named, of the usual names, or guessed where that is obvious."""

from dataclasses import dataclass, fields

from gmi_ros.core.errors import ErrorCode, GmiError

IMAGE, CAMERA_INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
DEFAULTS = {
    "rgb": "/rgb/image",
    "depth": "/depth/image",
    "camera_info": "/rgb/camera_info",
    "mask": "/segmentation/mask",
}
_WORDS = {"mask": ("mask", "seg", "label"), "depth": ("depth",), "rgb": ("rgb", "color", "colour", "image_raw")}


@dataclass(frozen=True)
class TopicMap:
    """The four topics in the synchroniser's order; None: the default name where the bag has it, else a guess."""

    rgb: str | None = None
    depth: str | None = None
    camera_info: str | None = None
    mask: str | None = None

    def names(self) -> tuple[str | None, ...]:
        """The four in order."""
        return tuple(getattr(self, f.name) for f in fields(self))

    def resolve(self, types: dict[str, str]) -> "TopicMap":
        """All four named, given the types of the bag's topics.

        Raises:
            GmiError: BAD_REQUEST listing every role without a topic and what the bag has.
        """
        chosen: dict[str, str] = {}
        problems = []
        for role in DEFAULTS:
            wanted = CAMERA_INFO if role == "camera_info" else IMAGE
            given = getattr(self, role)
            name = given or DEFAULTS[role]
            name = name if name.startswith("/") else f"/{name}"
            if types.get(name) == wanted:
                chosen[role] = name
            elif given:
                is_there = f"is {types[name]}, not {wanted}" if name in types else "is not in the bag"
                problems.append(f"{role}: {name} {is_there}")
            else:
                candidates = _candidates(role, types, chosen.get("rgb"))
                if len(candidates) == 1:
                    chosen[role] = candidates[0]
                else:
                    found = f"could be {' or '.join(candidates)}" if candidates else f"no {wanted} looks like it"
                    problems.append(f"{role}: {found}")
        if problems:
            listed = ", ".join(f"{name} ({kind})" for name, kind in sorted(types.items())) or "nothing"
            told = "; ".join(problems)
            raise GmiError(ErrorCode.BAD_REQUEST, f"{told}. The bag has {listed}: name the topics to use")
        return TopicMap(**chosen)


def _candidates(role: str, types: dict[str, str], rgb: str | None) -> list[str]:
    if role == "camera_info":
        names = sorted(name for name, kind in types.items() if kind == CAMERA_INFO)
        beside = [name for name in names if rgb and _parent(name) == _parent(rgb)]
        return beside if len(beside) == 1 else names
    images = sorted(name for name, kind in types.items() if kind == IMAGE)
    return [name for name in images if _role(name) == role]


def _role(name: str) -> str | None:
    """The first role, mask before depth before rgb, that one of its words gives away."""
    return next((role for role, words in _WORDS.items() if any(word in name.lower() for word in words)), None)


def _parent(name: str) -> str:
    return name.rpartition("/")[0]
