"""Which topics of a bag are the camera's: named, of the usual names, or guessed where that is obvious."""

from dataclasses import dataclass, fields

from gmi_ros.core.errors import ErrorCode, GmiError

IMAGE, CAMERA_INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
DEFAULTS = {
    "rgb": "/rgb/image",
    "depth": "/depth/image",
    "camera_info": "/rgb/camera_info",
    "mask": "/segmentation/mask",
}
# What image_transport appends to the name of a topic, best first; and the type that such a topic has.
SUFFIXES = {"raw": "", "compressedDepth": "/compressedDepth", "compressed": "/compressed"}
TRANSPORTS = {
    "rgb": ("raw", "compressed"),
    "depth": ("raw", "compressedDepth", "compressed"),
    "camera_info": ("raw",),
    "mask": ("raw", "compressed"),
}
_WORDS = {"mask": ("mask", "seg", "label"), "depth": ("depth",), "rgb": ("rgb", "color", "colour", "image_raw")}


def slashed(name: str) -> str:
    """A topic's name as bags and graphs have it: with a slash in front."""
    return name if name.startswith("/") else f"/{name}"


def transport_of(topic: str) -> str:
    """The transport that the name of an image topic tells."""
    return next((name for name, suffix in SUFFIXES.items() if suffix and topic.endswith(suffix)), "raw")


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
        """All four named, given the types of the bag's topics; a compressed topic serves where there is no plain one.

        Raises:
            GmiError: BAD_REQUEST listing every role without a topic and what the bag has.
        """
        chosen: dict[str, str] = {}
        problems = []
        for role in DEFAULTS:
            given = getattr(self, role)
            name = slashed(given or DEFAULTS[role])
            forms = [name, *(name + SUFFIXES[transport] for transport in TRANSPORTS[role])]
            fitting = [form for form in forms if _fits(role, form, types)]
            if fitting:
                chosen[role] = fitting[0]
            elif given:
                wanted = CAMERA_INFO if role == "camera_info" else f"{IMAGE} or CompressedImage"
                is_there = f"is {types[name]}, not {wanted}" if name in types else "is not in the bag"
                problems.append(f"{role}: {name} {is_there}")
            else:
                candidates = _candidates(role, types, chosen.get("rgb"))
                if len(candidates) == 1:
                    chosen[role] = candidates[0]
                else:
                    what = "CameraInfo" if role == "camera_info" else "Image"
                    found = f"could be {' or '.join(candidates)}" if candidates else f"no {what} looks like it"
                    problems.append(f"{role}: {found}")
        if problems:
            listed = ", ".join(f"{name} ({kind})" for name, kind in sorted(types.items())) or "nothing"
            told = "; ".join(problems)
            raise GmiError(ErrorCode.BAD_REQUEST, f"{told}. The bag has {listed}: name the topics to use")
        return TopicMap(**chosen)


def _fits(role: str, name: str, types: dict[str, str]) -> bool:
    """Whether a topic is there, of a type and transport that serve the role."""
    transport = transport_of(name)
    if role == "camera_info":
        return types.get(name) == CAMERA_INFO
    if types.get(name) == COMPRESSED_IMAGE:
        return transport in TRANSPORTS[role] or transport == "raw"  # a name without ending tells nothing
    return types.get(name) == IMAGE


def _candidates(role: str, types: dict[str, str], rgb: str | None) -> list[str]:
    if role == "camera_info":
        names = sorted(name for name, kind in types.items() if kind == CAMERA_INFO)
        beside = [name for name in names if rgb and _parent(name) == _parent(_base(rgb))]
        return beside if len(beside) == 1 else names
    best: dict[str, str] = {}  # of each base topic
    for name in sorted(n for n in types if _fits(role, n, types) and _role(_base(n)) == role):
        rank = list(SUFFIXES).index
        known = best.setdefault(_base(name), name)
        if rank(transport_of(name)) < rank(transport_of(known)):
            best[_base(name)] = name
    return sorted(best.values())


def _base(name: str) -> str:
    """The name without what image_transport has appended."""
    return name.removesuffix(SUFFIXES[transport_of(name)])


def _role(name: str) -> str | None:
    """The first role, mask before depth before rgb, that one of its words gives away."""
    return next((role for role, words in _WORDS.items() if any(word in name.lower() for word in words)), None)


def _parent(name: str) -> str:
    return name.rpartition("/")[0]
