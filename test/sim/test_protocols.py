"""The protocols: what they assume really acts, their bounds are laws of motion, and they leave the cell as it was."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.hand.barrett import load_hand
from gmi_ros.sim import protocols
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.closing import ClosingPlan
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.protocol_steps import (
    PUSHES,
    Watch,
    close_and_squeeze,
    floating,
    penetration,
    push,
    restore,
    snapshot,
    tip_forces,
)
from gmi_ros.sim.protocols import (
    LIFT,
    PROTOCOLS,
    SIX_FORCE,
    STRICT,
    closing_turn,
    judge_grasp,
    physics_of,
    six_force,
    strict,
)
from gmi_ros.sim.scene import HAND_GROUP
from gmi_ros.sim.shapes import Part
from gmi_ros.sim.trial import GraspPlan, run

HALF = (0.045, 0.03, 0.06)  # [m]


def box(half: tuple[float, float, float] = HALF) -> ObjectModel:
    part = Part("box", half, (0.0, 0.0, half[2]), (0.0, 0.0, 0.0, 1.0))
    return ObjectModel("test_box", 0, (part,), (0.5, 0.5, 0.5))


def from_above(height: float, opening: float = 0.6) -> GraspPlan:
    """The palm straight above the middle of the table, two fingers against the third along the world's y."""
    palm = poses.make(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, height]))
    pregrasp = palm.copy()
    pregrasp[2, 3] += 0.1
    return GraspPlan(pregrasp, palm, np.array([0.2, opening, opening, opening]), ClosingPlan.together(2.0))


OPPOSED = from_above(0.22)


@pytest.fixture(scope="module")
def hand():
    return load_hand()


def cell_of(hand, protocol: str, **changes) -> Cell:
    return Cell(box(), hand, replace(physics_of(protocol, box()), **changes))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_box_between_three_fingers_is_held_and_twice_alike(hand, protocol):
    first = judge_grasp(box(), hand, protocol, np.eye(4), OPPOSED)
    assert first.success and first.reason == "held", first
    judge_grasp(box(), hand, protocol, np.eye(4), from_above(0.24))
    assert judge_grasp(box(), hand, protocol, np.eye(4), OPPOSED) == first


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("height, reason", [(0.15, "collided_on_approach"), (0.6, "no_contact")])
def test_what_hits_or_misses_fails(hand, protocol, height, reason):
    verdict = judge_grasp(box(), hand, protocol, np.eye(4), from_above(height))
    assert (verdict.success, verdict.reason) == (False, reason)


def test_the_table_is_in_the_way_of_the_approach(hand):
    """Beside the box, fingertips 1 cm below the table's top."""
    low = from_above(0.1)
    for pose in (low.world_from_palm, low.world_from_pregrasp):
        pose[0, 3] = 0.3
    for protocol in PROTOCOLS:
        assert judge_grasp(box(), hand, protocol, np.eye(4), low).reason == "collided_on_approach"


@pytest.mark.parametrize("protocol, friction", [(LIFT, 0.05), (SIX_FORCE, 0.005), (STRICT, 0.05)])
def test_nothing_slippery_is_held_between_fingertips(hand, protocol, friction):
    cell = cell_of(hand, protocol, friction=friction)
    judge = {LIFT: run, SIX_FORCE: six_force, STRICT: strict}[protocol]
    assert not judge(cell, OPPOSED).success


def test_six_force_is_lenient(hand):
    """Pushes of 0.05 of the weight: 13 N a finger hold against them even with hardly any friction."""
    assert six_force(cell_of(hand, SIX_FORCE, friction=0.05), OPPOSED).success


@pytest.mark.parametrize("protocol, friction, torsion", [(SIX_FORCE, 3.0, 0.02), (STRICT, 0.6, 0.02)])
def test_friction_is_the_protocols(hand, protocol, friction, torsion):
    """MuJoCo takes the larger of two frictions, here 0.6 of the object, unless one geom has priority."""
    cell = cell_of(hand, protocol)
    with floating(cell):
        close_and_squeeze(cell, OPPOSED)
        contact = cell.data.contact
        mixed = (cell.model.geom_group[contact.geom] == HAND_GROUP).any(axis=1)
        mixed &= (cell.model.geom_bodyid[contact.geom] == cell.object_body).any(axis=1)
        assert mixed.sum() >= 3
        np.testing.assert_allclose(
            contact.friction[mixed][:, :3], np.tile([friction, friction, torsion], (mixed.sum(), 1))
        )


def test_masses(hand):
    volume = 8 * np.prod(HALF)
    assert cell_of(hand, SIX_FORCE).model.body("test_box_0").mass[0] == pytest.approx(500 * volume)
    assert cell_of(hand, STRICT).model.body("test_box_0").mass[0] == pytest.approx(0.1)


@pytest.mark.parametrize("name", PUSHES)
def test_what_nothing_holds_moves_as_newton_says(hand, name):
    cell = cell_of(hand, SIX_FORCE)
    with floating(cell):
        watch = Watch(cell)
        push(cell, 0.5 * PUSHES[name], 1.0)
        seen = watch.look()
        assert seen.moved == pytest.approx(0.5 * 0.5 * 1.0**2, rel=5e-3) and seen.turned < 1e-9
        np.testing.assert_allclose((cell.world_from_object[:3, 3]) / seen.moved, PUSHES[name], atol=1e-6)
        cell.step(500)  # let go: at the speed it has got
        assert watch.look().moved == pytest.approx(0.25 + 0.5, rel=5e-3)


def test_a_turned_object_has_turned_about_its_centre(hand):
    cell = cell_of(hand, STRICT)
    watch = Watch(cell)
    turn = poses.make(np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]), np.zeros(3))
    centre = poses.make(np.eye(3), np.array([0, 0, HALF[2]]))
    cell.reset(centre @ turn @ poses.inverse(centre))
    assert watch.look().moved == pytest.approx(0, abs=1e-9) and watch.look().turned == pytest.approx(np.pi / 2)
    assert watch.look(raised=0.1).moved == pytest.approx(0.1) == watch.most.moved


@pytest.mark.parametrize("judge", [six_force, strict])
@pytest.mark.parametrize("height", [0.15, 0.22, 0.6])
def test_gravity_and_table_are_back_afterwards(hand, judge, height):
    cell = cell_of(hand, STRICT)
    judge(cell, from_above(height))
    np.testing.assert_array_equal(cell.model.opt.gravity, [0, 0, -9.81])
    assert not cell.data.xfrc_applied.any()
    cell.reset(poses.make(np.eye(3), np.array([0, 0, 0.02])))
    assert cell.settle() and abs(cell.world_from_object[2, 3]) < 1e-3


def test_without_gravity_and_table_the_object_can_go_down(hand):
    cell = cell_of(hand, STRICT)
    with pytest.raises(ZeroDivisionError), floating(cell):
        cell.step(100)
        np.testing.assert_allclose(cell.world_from_object, np.eye(4), atol=1e-12)
        push(cell, np.array([0, 0, -10.0]), 0.2)
        assert cell.world_from_object[2, 3] < -0.15
        _ = 1 / 0
    assert cell.model.opt.gravity[2] == -9.81


@pytest.mark.parametrize("height", [0.22, 0.24, 0.26])
@pytest.mark.parametrize("limit", [protocols.STRICT_TIP_FORCE, 8.0])
def test_no_tip_presses_with_more_than_allowed(hand, height, limit):
    """A thin pinned board takes whatever each finger gives, so each drive goes to its limit."""
    thin, forces = box((0.045, 0.005, 0.06)), []
    for allowed in (np.inf, limit):
        cell = Cell(thin, hand, physics_of(STRICT, thin))
        cell.pin(True)
        close_and_squeeze(cell, from_above(height), allowed)
        forces.append(tip_forces(cell))
    assert forces[0].max() > protocols.STRICT_TIP_FORCE
    assert 0.7 * limit < forces[1].min() <= forces[1].max() <= limit


def test_a_snapshot_brings_the_same_future(hand):
    """So that one closing stands for six."""
    cell, ends = cell_of(hand, STRICT), []
    with floating(cell):
        close_and_squeeze(cell, OPPOSED, 15.0)
        closed = snapshot(cell)
        for _ in range(2):
            restore(cell, closed)
            push(cell, np.array([0, 10.0, 0]), 0.2)
            ends.append(cell.data.qpos.copy())
        cell.reset(np.eye(4))
        close_and_squeeze(cell, OPPOSED, 15.0)
        push(cell, np.array([0, 10.0, 0]), 0.2)
    np.testing.assert_array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(ends[0], cell.data.qpos)


def test_penetration_is_the_depth_of_the_overlap(hand):
    """The palm's top, pushed 3 mm into the box's."""
    cell = cell_of(hand, STRICT)
    palm = poses.make(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 0.3]))
    cell.place_hand(palm, np.zeros(4))
    while not cell.collides():
        palm[2, 3] -= 5e-4
        cell.place_hand(palm, np.zeros(4))
    palm[2, 3] -= 3e-3
    cell.place_hand(palm, np.zeros(4))
    mujoco.mj_forward(cell.model, cell.data)
    assert penetration(cell).max() == pytest.approx(3e-3, abs=6e-4)
    assert strict(cell, GraspPlan(palm, palm, np.zeros(4), OPPOSED.closing)).reason == "collided_on_approach"


def test_what_sinks_into_the_hand_fails(hand, monkeypatch):
    monkeypatch.setattr(protocols, "STRICT_PENETRATION", 0.0)
    assert strict(cell_of(hand, STRICT), OPPOSED).reason == "penetrated"


@pytest.mark.parametrize("bound, reason", [("STRICT_MOVED", "moved"), ("STRICT_TURNED", "turned")])
def test_bounds_of_strict(hand, monkeypatch, bound, reason):
    monkeypatch.setattr(protocols, bound, 0.0)
    verdict = strict(cell_of(hand, STRICT), OPPOSED)
    assert (verdict.success, verdict.reason, verdict.part) == (False, reason, "closing")


@pytest.mark.parametrize("aside", [0.0, 0.02, 0.035])
def test_the_closing_turn_is_what_strict_sees_when_the_hand_has_closed(hand, monkeypatch, aside):
    palm = OPPOSED.world_from_palm.copy()
    palm[:2, 3] += aside, 0.01
    plan = replace(
        OPPOSED, world_from_palm=palm, world_from_pregrasp=palm + OPPOSED.world_from_pregrasp - OPPOSED.world_from_palm
    )
    turned = closing_turn(box(), hand, np.eye(4), plan)
    monkeypatch.setattr(protocols, "STRICT_TURNED", turned * (1 - 1e-9))
    verdict = strict(cell_of(hand, STRICT), plan)
    assert (verdict.reason, verdict.part, verdict.turned) == ("turned", "closing", turned)


def test_a_closing_that_meets_nothing_says_nothing_of_turns(hand):
    assert closing_turn(box(), hand, np.eye(4), from_above(0.6)) is None
    assert 0 < closing_turn(box(), hand, np.eye(4), OPPOSED) < protocols.STRICT_TURNED


def test_bad_requests(hand):
    with pytest.raises(GmiError, match="no protocol 'gentle': choose one of lift, six_force, strict") as caught:
        judge_grasp(box(), hand, "gentle", np.eye(4), OPPOSED)
    assert caught.value.code is ErrorCode.BAD_REQUEST
    with pytest.raises(GmiError, match="world_from_object must be a rigid 4x4 pose"):
        judge_grasp(box(), hand, STRICT, 2 * np.eye(4), OPPOSED)
    with pytest.raises(GmiError, match="world_from_palm must be a rigid 4x4 pose"):
        judge_grasp(box(), hand, LIFT, np.eye(4), replace(OPPOSED, world_from_palm=np.full((4, 4), np.nan)))
