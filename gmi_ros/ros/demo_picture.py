"""The picture of the demo: what was seen, what was planned, what happened, round by round."""

from collections.abc import Sequence

from PIL import Image

from gmi_ros.core.cloud import fit_table
from gmi_ros.core.errors import GmiError
from gmi_ros.core.object_frame import object_frame
from gmi_ros.core.observation import observe
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.pipeline import Synthesis
from gmi_ros.report.draw import draw_synthesis, tile
from gmi_ros.ros.convert import grasp_from_message
from gmi_ros.ros.demo import Round

MOST_ROUNDS = 12


def demo_picture(rounds: Sequence[Round], hand: BarrettHand) -> Image.Image | None:
    """The first rounds on one page; None where none was seen."""
    pictures = [_picture(r, hand) for r in rounds[:MOST_ROUNDS] if r.frame is not None]
    return tile(pictures, columns=3 if len(pictures) > 4 else 2) if pictures else None


def _picture(done: Round, hand: BarrettHand) -> Image.Image:
    title = f"round {done.number}: {done.object_name}, {done.synthesis_ms:.0f} ms"
    return draw_synthesis(done.frame, _synthesis(done), hand, title, done.what_happened)


def _synthesis(done: Round) -> Synthesis | None:
    """The node's answer as the pipeline gave it, from the messages and the images; None where it was refused."""
    answer = done.answer
    try:
        found = object_frame(done.frame, answer.objects[0].label if answer.objects else 0)
    except GmiError:
        return None  # the mask allows no {O}: the refusal is in the text
    return Synthesis(
        observation=observe(done.frame, found),
        object_frame=found,
        table=fit_table(done.frame, found),
        grasps=[grasp_from_message(g) for g in answer.grasps],
        rejected=dict(zip(answer.rejected_names, answer.rejected_counts)),
        stages_ms=dict(zip(answer.stage_names, answer.stage_ms)),
        n_samples=answer.n_sampled,
        seed=answer.seed,
        model_hash=answer.model_hash,
        observation_id=answer.observation_id,
    )
