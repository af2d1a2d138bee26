"""The pictures of the documents are small, all are shown, and `make screenshots` takes them again."""

import re
import shutil
import struct

import pytest

from tests.kit.chromium import WITH_CHROMIUM

screenshots = pytest.importorskip("tests.screenshots")
ROOT = screenshots.FOLDER.parents[1]
SHOWN = re.compile(r"!\[[^\]]+\]\(([^)]+)\)")


def test_every_picture_is_shown_by_a_document_and_small():
    shown = {
        (page.parent / path).resolve() for page in (ROOT / "README.md", ROOT / "docs/ui.md") for path in SHOWN.findall(page.read_text())
    }
    assert shown == set(screenshots.FOLDER.iterdir())
    assert [path.name for path in shown if path.stat().st_size > screenshots.LARGEST] == []
    for path in shown:
        if path.suffix == ".svg":
            assert not re.search(r"(href|src|url\()=?[\"']?https?:", path.read_text("utf-8")), "nothing is loaded from another host"


@pytest.mark.slow
@WITH_CHROMIUM
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is absent")
def test_they_are_taken_again(tmp_path):
    screenshots.main(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in screenshots.FOLDER.iterdir()}
    for path in tmp_path.glob("*.png"):
        before = screenshots.FOLDER / path.name
        assert struct.unpack_from(">II", path.read_bytes(), 16) == struct.unpack_from(">II", before.read_bytes(), 16)
    assert "opcua-bridge" in (tmp_path / "terminal.svg").read_text("utf-8")
