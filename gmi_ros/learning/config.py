"""What defines a network and a training run: frozen dataclasses, kept as JSON beside the weights."""

from dataclasses import asdict, dataclass, fields

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import Settings, setting
from gmi_ros.learning.spec import IMAGE_SIZE


MODELS = ("cnn", "cnn_full", "gsnn", "cvae", "r_cvae", "mixture")
EVALUATOR = "evaluator"  # no grasp model: it judges their grasps
HIDDEN_SIDE = "hidden_side"  # nor this: it guesses what a camera does not see


@dataclass(frozen=True)
class NetworkConfig(Settings):
    """What the networks share; the defaults are the paper's (IV-B), which leaves the latent's size open.

    Raises:
        GmiError: BAD_SETTING for a value out of bounds, or convolutions that do not fit the image.
    """

    kernels: tuple[int, ...] = setting((7, 5, 5, 5, 3), "filter sizes of the convolutions [px]", 1, 63)
    channels: tuple[int, ...] = setting((16, 32, 32, 64, 64), "filters of each convolution", 1, 1024)
    hidden: int = setting(64, "units of every hidden layer", 1, 4096)
    latent: int = setting(8, "dimensions of z", 1, 256)
    input_noise: float = setting(0.05, "white noise at all inputs while training [standard deviations]", 0.0, 1.0)
    min_scale: float = setting(0.1, "smallest output scale [standard deviations of the data]", 1e-3, 1.0)

    def __post_init__(self):
        super().__post_init__()
        if len(self.kernels) != len(self.channels) or not self.kernels:
            raise GmiError(
                ErrorCode.BAD_SETTING,
                f"kernels and channels must have one number per convolution, got {self.kernels} and {self.channels}",
            )
        if min(self.map_sizes()) < 1:
            raise GmiError(
                ErrorCode.BAD_SETTING,
                f"kernels {self.kernels} shrink the {IMAGE_SIZE} px image to {self.map_sizes()}: "
                "every map needs >= 1 px",
            )

    def map_sizes(self) -> tuple[int, ...]:
        """Side of the feature maps after each convolution (unpadded) and, after every second one, its pooling [px]."""
        size, sizes = IMAGE_SIZE, []
        for i, kernel in enumerate(self.kernels):
            size = size - kernel + 1
            if i % 2:
                size //= 2
            sizes.append(size)
        return tuple(sizes)


@dataclass(frozen=True)
class MixtureConfig(Settings):
    """Sizes of the mixture that points at the image, and how sharply it is sampled.

    Raises:
        GmiError: BAD_SETTING for a value out of bounds, or features of places that are not in groups of 8.
    """

    features: int = setting(192, "features of the whole image", 1, 4096)
    local: int = setting(48, "features of each place in the image, in groups of 8", 8, 4096)
    units: int = setting(192, "hidden units for each contact", 1, 8192)
    layers: int = setting(2, "Gaussians of a contact's place at each cell of the image", 1, 16)
    components: int = setting(6, "Gaussians of a contact's normal", 1, 256)
    target_noise: float = setting(0.1, "noise on the targets [standard deviations of the data]", 1e-3, 1.0)
    dropout: float = setting(0.2, "part of the features of the whole left out while training", 0.0, 0.9)
    local_dropout: float = setting(0.1, "part of the features of places left out while training", 0.0, 0.9)
    focus: float = setting(1.5, "power of the mixtures' weights when sampling; 1 is fair", 0.1, 100.0)
    spread: float = setting(0.5, "factor on the Gaussians' deviations when sampling; 1 is fair", 0.0, 1.0)

    def __post_init__(self):
        super().__post_init__()
        if self.local % 8:
            raise GmiError(ErrorCode.BAD_SETTING, f"local must be a multiple of 8, got {self.local}")


@dataclass(frozen=True)
class EvaluatorConfig(Settings):
    """Sizes of the evaluator, which looks at the plane that each finger closes in."""

    across: int = setting(3, "layers of points across a finger's plane", 1, 16)
    along: int = setting(14, "points along the finger", 2, 64)
    up: int = setting(10, "points away from the palm", 2, 64)
    lowest: float = setting(0.05, "height of the first of these above the finger's frame [m]", -0.1, 0.3)
    highest: float = setting(0.17, "height of the last [m]", 0.0, 0.4)
    filters: tuple[int, ...] = setting((32, 48), "filters of each convolution over them", 1, 1024)
    finger_units: int = setting(192, "hidden units of a finger", 1, 8192)
    finger_features: int = setting(64, "what a finger tells of itself", 1, 8192)
    hand_units: int = setting(192, "hidden units of the whole hand", 1, 8192)
    context_features: int = setting(32, "what the whole window tells; 0: nothing", 0, 8192)
    context_filters: tuple[int, ...] = setting((16, 32, 32), "of its convolutions, each of which halves the window", 1)
    unit_dropout: float = setting(0.2, "part of the hidden units left out while training", 0.0, 0.9)
    steady: bool = setting(False, "tell also whether the closing hand hardly turns the object")
    planned: bool = setting(False, "look at the contacts that a grasp was made for")


@dataclass(frozen=True)
class HiddenSideConfig(Settings):
    """Sizes of the network that guesses hidden sides."""

    filters: tuple[int, ...] = setting(
        (16, 32, 64, 128, 256), "of its convolutions, from one halving to the next", 1, 1024
    )


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """How a network is trained; the defaults are the paper's (IV-B) where it says."""

    model: str = setting("r_cvae", "the network to train", choices=(*MODELS, EVALUATOR, HIDDEN_SIDE))
    network: NetworkConfig | MixtureConfig | EvaluatorConfig | HiddenSideConfig = setting(NetworkConfig(), "its sizes")
    learning_rate: float = setting(1e-3, "Adam's learning rate", 1e-8, 1.0)
    cooldown: float = setting(
        0.0, "last part of max_epochs, over which the learning rate falls to zero; 0 is the paper's", 0.0, 1.0
    )
    batch_size: int = setting(100, "pairs in a minibatch", 1, 100_000)
    balance: str = setting(
        "class",
        "what a minibatch is drawn uniformly from: a class and then its objects, or the successes",
        choices=("class", "success"),
    )
    grasps_per_image: int = setting(
        1, "grasps of each image in a minibatch; with shared views more than 1 costs less", 1, 1000
    )
    max_epochs: int = setting(30, "epochs of N / batch_size minibatches at most", 1, 100_000)
    patience: int = setting(5, "epochs without a better validation bound before stopping", 1, 100_000)
    beta: float = setting(1.0, "weight of the KL term in the bound; 1 is Eq. 4", 0.0, 100.0)
    mirrored: float = setting(0.0, "part of the images that is mirrored, F1 and F2 exchanged", 0.0, 1.0)
    turned: float = setting(0.0, "standard deviation of turns about the line of sight [rad]", 0.0, 3.2)
    shifted: float = setting(0.0, "standard deviation of shifts across it [m]", 0.0, 0.1)
    pairs: int = setting(0, "successes to train on, nested subsets; 0 = all but those for validation", 0, 10**9)
    validation_fraction: float = setting(0.1, "part of the pairs kept for validation", 0.01, 0.5)
    seed: int = setting(0, "seed of weights, split, minibatches and noise", 0, 2**32 - 1)
    precision: str = setting(
        "auto",
        "of the convolutions; auto is bfloat16 where the processor multiplies it in hardware (AMX, AVX-512, GPU)",
        choices=("auto", "float32", "bfloat16"),
    )
    device: str = setting("auto", "where to train; auto is the GPU if there is one", choices=("auto", "cpu", "cuda"))


def to_dict(config: Settings) -> dict:
    """A settings dataclass as what JSON can hold."""
    return asdict(config)


def from_dict(kind: type, values: object):
    """The settings dataclass `kind` made from `to_dict`'s (JSON-decoded) answer: every field, and no other.

    Raises:
        GmiError: BAD_SETTING for an unknown or absent field, a wrong type or a value out of bounds.
    """
    known = {f.name: f for f in fields(kind)}
    if not isinstance(values, dict) or set(values) != set(known):
        got = sorted(values) if isinstance(values, dict) else type(values).__name__
        raise GmiError(ErrorCode.BAD_SETTING, f"{kind.__name__} needs the fields {sorted(known)}, got {got}")
    made = {}
    for name, value in values.items():
        default = known[name].default
        if isinstance(default, Settings):
            made[name] = from_dict(type(default), value)
            continue
        made[name] = _typed(f"{kind.__name__}.{name}", value, default)
    return kind(**made)


def _typed(name: str, value, default):
    """`value` with the type of `default`; JSON's lists become tuples, its whole numbers floats where one is meant."""
    if isinstance(default, tuple) and isinstance(value, (list, tuple)):
        return tuple(_typed(name, v, default[0]) for v in value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        raise GmiError(ErrorCode.BAD_SETTING, f"{name} must be of type {type(default).__name__}, got {value!r}")
    return value
