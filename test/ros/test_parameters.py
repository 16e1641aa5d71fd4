"""Parameters are the settings' fields: same names, defaults, help and bounds, also in the YAML files."""

from dataclasses import dataclass, fields

import pytest
import rclpy
import yaml
from rclpy.parameter import Parameter

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import resource
from gmi_ros.core.settings import Settings, SynthesisSettings, setting
from gmi_ros.ros import parameters
from gmi_ros.ros.settings import NodeSettings, RecorderSettings, pose_of

pytestmark = pytest.mark.ros


@dataclass(frozen=True)
class Example(Settings):
    count: int = setting(3, "how many", 1, 10)
    length: float = setting(0.5, "how long [m]", 0.0, 2.0)
    corner: tuple[float, ...] = setting((0.0, 1.0), "where [m]", -1.0, 1.0)
    kind: str = setting("a", "which", choices=("a", "b"))
    on: bool = setting(False, "whether")


@pytest.fixture
def declare(live):
    def make(**given):
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        node = rclpy.create_node("example", context=live.context, parameter_overrides=overrides)
        try:
            return parameters.declare(node, Example), node
        finally:
            live._running.append((node, _Idle(), _Idle()))

    return make


class _Idle:
    """In place of an executor and its thread, for a node that is only destroyed in the end."""

    def shutdown(self, timeout_sec):
        pass

    def join(self, timeout):
        pass


def test_without_overrides_the_defaults_hold(declare):
    assert declare()[0] == Example()


def test_overrides_reach_the_settings(declare):
    settings, _ = declare(count=7, length=1.5, corner=[-1.0, 0.25], kind="b", on=True)
    assert settings == Example(7, 1.5, (-1.0, 0.25), "b", True)


def test_what_nobody_declared_is_told_with_what_comes_near(declare):
    _, node = declare(count=7, lenght=1.0, unheard_of="x", use_sim_time=True)
    first, second = parameters.undeclared(node)
    assert first == "parameter lenght is given, but example has none of that name: did you mean length?"
    assert second == "parameter unheard_of is given, but example has none of that name"
    assert parameters.undeclared(declare(count=7)[1]) == []


def test_descriptors_carry_help_and_bounds_and_nothing_can_be_set_later(declare):
    _, node = declare()
    count, length, kind = (node.describe_parameter(name) for name in ("count", "length", "kind"))
    assert count.description == "how many" and count.read_only
    assert (count.integer_range[0].from_value, count.integer_range[0].to_value) == (1, 10)
    assert (length.floating_point_range[0].from_value, length.floating_point_range[0].to_value) == (0.0, 2.0)
    assert kind.additional_constraints == "one of: 'a', 'b'"
    assert not node.set_parameters([Parameter("count", value=4)])[0].successful


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("count", 11, ("count", "[1, 10]", "11")),
        ("length", float("nan"), ("length", "[0.0, 2.0]", "nan")),
        ("length", 1, ("length", "number such as 1.0")),
        ("corner", [0.0, 3.0], ("corner", "[-1.0, 1.0]", "3.0")),
        ("corner", [0.0], ("corner", "2 numbers", "got 1")),
        ("kind", "c", ("kind", "a, b", "'c'")),
        ("on", "yes", ("on", "bool")),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_value_and_bound(declare, name, value, words):
    with pytest.raises(GmiError) as caught:
        declare(**{name: value})
    assert caught.value.code == ErrorCode.BAD_SETTING
    for word in words:
        assert word in caught.value.message


@pytest.mark.parametrize(
    "node, kinds",
    [("grasp_synthesizer", (NodeSettings, SynthesisSettings)), ("experience_recorder", (RecorderSettings,))],
)
def test_the_yaml_files_say_what_the_code_says(node, kinds):
    content = yaml.safe_load(resource(f"config/{node}.yaml").read_text())
    given = content[f"/**/{node}"]["ros__parameters"]
    wanted = {f.name: list(f.default) if isinstance(f.default, tuple) else f.default for k in kinds for f in fields(k)}
    assert given == wanted
    assert {k: type(v) for k, v in given.items()} == {k: type(v) for k, v in wanted.items()}


# Set while the node runs.


@dataclass(frozen=True)
class Changeable(Settings):
    length: float = setting(0.5, "how long [m]", 0.0, 2.0, live=True)
    corner: tuple[float, ...] = setting((0.0, 1.0), "where [m]", -1.0, 1.0, live=True)
    name: str = setting("a", "what it is called")


@pytest.fixture
def changeable(live):
    """LiveSettings of a node, its node, and what makes its fixed fields fixed."""

    class Case:
        fixed, taken = "it runs", 0

        def check(self, values):
            if values[Changeable].length > values[Changeable].corner[1]:
                raise GmiError(ErrorCode.BAD_SETTING, "too long for its corner")

        def take(self):
            self.taken += 1

        def set(self, **given):
            return self.node.set_parameters([Parameter(name, value=value) for name, value in given.items()])[0]

    case = Case()
    case.node = rclpy.create_node("example", context=live.context)
    live._running.append((case.node, _Idle(), _Idle()))
    case.settings = parameters.LiveSettings(case.node, [Changeable], lambda: case.fixed, case.check, case.take)
    return case


def test_live_settings_hold_at_once(changeable):
    assert changeable.set(length=0.75).successful and changeable.set(corner=[0.5, 0.9]).successful
    assert changeable.settings[Changeable] == Changeable(0.75, (0.5, 0.9), "a") and changeable.taken == 2
    assert not changeable.node.describe_parameter("length").read_only


@pytest.mark.parametrize(
    "given, words",
    [({"length": 3.0}, "out of range Min: 0.0, Max: 2.0"), ({"length": float("nan")}, "out of range Min: 0.0, Max: 2.0"),
     ({"corner": [0.0, 3.0]}, "corner must be in [-1.0, 1.0], got 3.0"), ({"length": 1.5}, "too long for its corner"),
     ({"name": "b"}, "name cannot be set now: it runs"), ({"length": "long"}, "type")],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_nothing_changes(changeable, given, words):
    refused = changeable.set(**given)
    assert not refused.successful and words in refused.reason
    assert changeable.settings[Changeable] == Changeable() and changeable.taken == 0


def test_fixed_settings_can_be_set_where_nothing_speaks_against_it(changeable):
    assert changeable.set(name="a").successful  # the value it has
    changeable.fixed = ""
    assert changeable.set(name="b").successful and changeable.settings[Changeable].name == "b"


def test_the_node_takes_live_parameters_and_keeps_the_others(robot):
    robot.show()
    assert len(robot.ask().grasps) > 2
    assert robot.set(max_grasps=2).successful and len(robot.ask().grasps) == 2
    assert robot.set(workspace_high=[-5.0, -5.0, -5.0]).successful
    assert robot.ask().error_code == ErrorCode.NO_GRASP
    refused = robot.set(allow_execution=True)
    assert not refused.successful and "deactivate" in refused.reason
    refused = robot.set(tip_force_limit=99.0)
    assert not refused.successful and robot.node.settings.tip_force_limit == 15.0
    assert robot.set(server_timeout=0.75).successful and robot.node._execution.server_timeout == 0.75


def test_parameters_of_one_node_have_different_names():
    assert not {f.name for f in fields(NodeSettings)} & {f.name for f in fields(SynthesisSettings)}


def test_a_pose_needs_a_unit_quaternion():
    assert pose_of("p", (1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 1.0))[:3, 3].tolist() == [1, 2, 3]
    with pytest.raises(GmiError, match="length must be 1"):
        pose_of("p", (0.0,) * 7)
    with pytest.raises(GmiError, match="target_frame"):
        NodeSettings(camera_pose=(0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
