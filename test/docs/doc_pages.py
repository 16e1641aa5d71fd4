"""Reading the Markdown of docs/: tables as rows of cells, code spans as numbers."""

import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def read(name: str) -> str:
    """The text of docs/<name>."""
    return (DOCS / name).read_text(encoding="utf-8")


def rows(text: str, heading: str = "") -> list[list[str]]:
    """Cells of every table row, headings and rules left out; of one section where its heading is given."""
    if heading:
        text = text.split(f"\n{heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    rules = {i for i, row in enumerate(cells) if all(set(cell) <= set("-: ") and cell for cell in row)}
    return [row for i, row in enumerate(cells) if i not in rules and i + 1 not in rules]


def spans(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def numbers(span: str) -> np.ndarray:
    """Numbers apart by spaces."""
    return np.array([float(word) for word in span.split()])
