"""docs/parameters.md is what the settings say: every field, and nothing else."""

from dataclasses import fields

import pytest
from doc_pages import read, rows, spans

parameter_docs = pytest.importorskip("gmi_ros.ros.parameter_docs")
from gmi_ros.core.settings import SynthesisSettings  # noqa: E402
from gmi_ros.ros.settings import NodeSettings  # noqa: E402

pytestmark = pytest.mark.ros


def test_the_page_is_what_the_generator_prints():
    assert read("parameters.md") == parameter_docs.parameter_page(), (
        "python -m gmi_ros.ros.parameter_docs docs/parameters.md"
    )


@pytest.mark.parametrize("section", parameter_docs.SECTIONS, ids=lambda section: section.title)
def test_every_field_has_a_row_with_its_default_and_meaning(section):
    table = {spans(row[0])[0]: row for row in rows(read("parameters.md"), f"## {section.title}")}
    assert list(table) == [field.name for field in fields(section.settings)]
    for row in table.values():
        assert len(row) == len(parameter_docs.COLUMNS) and row[1] and row[2] and row[5] and row[6]


def test_running_says_what_a_node_takes_at_once():
    for settings in (NodeSettings, SynthesisSettings):
        section = next(s for s in parameter_docs.SECTIONS if s.settings is settings)
        for field, row in zip(fields(settings), rows(parameter_docs.parameter_page(), f"## {section.title}")):
            assert (row[5] == "yes") == field.metadata["live"], field.name


@pytest.mark.parametrize(
    "name, settings, range_, unit",
    [
        ("max_age", NodeSettings, "0 to 3600", "s"),
        ("hand", NodeSettings, "`bh262`, `bh280`, `bh282`", ""),
        ("answer_seed", NodeSettings, "1 to 2^53", ""),
        ("min_score", SynthesisSettings, "", ""),
        ("table_clearance", SynthesisSettings, "-0.1 to 1", "m"),
        ("residual_weight", SynthesisSettings, "0 to 100000", "1/m"),
    ],
)
def test_ranges_and_units(name, settings, range_, unit):
    section = next(s for s in parameter_docs.SECTIONS if s.settings is settings)
    table = {spans(row[0])[0]: row for row in rows(parameter_docs.parameter_page(), f"## {section.title}")}
    assert table[name][3:5] == [range_, unit]
