"""The page of what people suffer from elsewhere names tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "pains.md").read_text())


def test_every_line_of_the_page_names_a_test():
    lines = [line for line in (ROOT / "docs" / "pains.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(NAMED) == len(lines) > 20


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_the_page_names_is_there(path, name):
    assert f"def {name}(" in (ROOT / path).read_text()
