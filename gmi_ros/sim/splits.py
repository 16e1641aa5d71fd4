"""Which objects are trained on, tested on and chosen by: fixed here, no object in two splits."""

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.sim.objects import ASSORTED, RANDOM, ObjectModel, class_names, make_object

SPLITS = ("train", "similar", "different", "dev", "random")
TEST_SPLITS = ("similar", "different")  # run once for each set of weights; nothing is trained on their records
_TRAIN_PER_CLASS = 8
_SIMILAR_INDEX, _DEV_INDEX = 20, 30  # of the unseen objects of the training classes
PRACTICE = "practice"
PRACTICES = (PRACTICE, ASSORTED)  # the splits of `practice_objects`
_PRACTICE_INDEX, _PRACTICE_COMPOSITE = 100, 100_000  # the first of them, beyond those of all splits


def objects_of(split: str, n_random: int = 100, first_random: int = 0) -> tuple[ObjectModel, ...]:
    """The objects of a split.

    train: 161 of the 20 training classes. similar: one unseen of each of them. different: one of each of 53 classes
    never trained on. dev: one more unseen of each training class and 10 of classes used nowhere else; every choice is
    made on these. random: n_random composites, number first_random and on; the shipped weights learned from 0 to 999.

    Raises:
        GmiError: BAD_REQUEST for an unknown split, n_random < 1 or first_random < 0.
    """
    classes = class_names()
    match split:
        case "train":
            names = [(name, index) for index in range(_TRAIN_PER_CLASS) for name in classes]
            names.append((classes[0], _TRAIN_PER_CLASS))
        case "similar":
            names = [(name, _SIMILAR_INDEX) for name in classes]
        case "different":
            names = [(name, 0) for name in class_names("different")]
        case "dev":
            names = [(name, _DEV_INDEX) for name in classes] + [(name, 0) for name in class_names("dev")]
        case "random":
            if n_random < 1:
                raise GmiError(ErrorCode.BAD_REQUEST, f"{n_random} random objects: at least 1 is needed")
            if first_random < 0:
                raise GmiError(ErrorCode.BAD_REQUEST, f"random object {first_random}: the first is 0")
            names = [(RANDOM, first_random + k) for k in range(n_random)]
        case _:
            raise GmiError(ErrorCode.BAD_REQUEST, f"no split {split!r}: choose one of {', '.join(SPLITS)}")
    return tuple(make_object(name, index) for name, index in names)


def practice_objects(n: int, first: int = 0, split: str = PRACTICE) -> tuple[ObjectModel, ...]:
    """Objects number `first` and on to learn from by trying, each a new one. None is in another split.

    practice: further ones of the training classes in turn, and between them as many composites. assorted: of sim.assorted.
    """
    if split == ASSORTED:
        return tuple(make_object(ASSORTED, k) for k in range(first, first + n))
    classes = class_names()
    return tuple(
        make_object(RANDOM, _PRACTICE_COMPOSITE + k // 2)
        if k % 2
        else make_object(classes[k // 2 % len(classes)], _PRACTICE_INDEX + k // 2 // len(classes))
        for k in range(first, first + n)
    )
