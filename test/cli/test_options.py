"""Options made from settings: every field, its bounds, its default."""

import argparse
from dataclasses import fields

import pytest

from gmi_ros.cli import options
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.learning.config import EvaluatorConfig


def parse(*arguments):
    parser = argparse.ArgumentParser()
    options.add_settings(parser, SynthesisSettings)
    return options.settings_from(parser.parse_args(list(arguments)), SynthesisSettings)


def test_without_options_the_defaults_hold():
    assert parse() == SynthesisSettings()


def test_every_field_can_be_given():
    for f in fields(SynthesisSettings):
        words = [str(v) for v in f.default] if isinstance(f.default, tuple) else [str(f.default)]
        assert parse("--" + f.name.replace("_", "-"), *words) == SynthesisSettings()


def test_vectors_may_be_negative_and_keep_their_length():
    assert parse("--workspace-low", "-1", "-2.5", "0").workspace_low == (-1.0, -2.5, 0.0)
    with pytest.raises(SystemExit):
        parse("--workspace-low", "1", "2")


def test_yes_and_no_are_options_and_unsaid_is_the_default():
    parser = argparse.ArgumentParser()
    options.add_settings(parser, EvaluatorConfig)
    for words, steady in (
        ([], False),
        (["--steady"], True),
        (["--no-steady"], False),
        (["--steady", "--no-steady"], False),
    ):
        assert options.settings_from(parser.parse_args(words), EvaluatorConfig).steady is steady
    assert parser.parse_args([]).steady is None


def test_bounds_are_the_settings_own():
    with pytest.raises(GmiError, match=r"n_samples must be in \[1, 4096\], got 10000000") as caught:
        parse("--n-samples", "10000000")
    assert caught.value.code is ErrorCode.BAD_SETTING


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", str(2**63)])
def test_seeds_are_bounded(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be an integer in"):
        options.seed(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x"])
def test_times_are_bounded(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be a time in"):
        options.seconds(text)
