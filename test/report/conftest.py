"""One browser for all pages."""

import pytest

import browser


@pytest.fixture(scope="session")
def program_with_a_tab(tmp_path_factory):
    """A running browser; the tests that need it are skipped where there is none."""
    program = browser.find()
    if program is None:
        pytest.skip(f"no browser here: none of {', '.join(browser.NAMES)}")
    opened = browser.Browser(program, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def tab(program_with_a_tab):
    """Its tab, to which nothing was complained about yet."""
    program_with_a_tab.complaints.clear()
    return program_with_a_tab
