"""Values that no one means, from the command line, the environment and a stranger's labels: refused in words, or read as they are."""

import os
import time

import pytest

from kelvin_provision.cluster.docker.containers import LiveContainer
from kelvin_provision.cluster.kubernetes.render.objects import revision_of
from kelvin_provision.cluster.labels import REVISION
from kelvin_provision.files.lock import user
from kelvin_provision.quantity import parse_count
from tests.kit.box import Box

OFFSET = "error: TZ=XXX-25 is not a time zone: its offset must be less than 24 hours\n hint: unset TZ\n"


@pytest.fixture
def box(tmp_path):
    box = Box(tmp_path / "state")
    box.deploy("pump")
    return box


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00"])
def test_a_time_that_no_calendar_has_is_refused(box, text):
    result = box.run("workloads", "apply", "pump", "--at", text)
    assert (result.exit_code, result.stderr.startswith(f"error: --at {text} is ")) == (2, True), result


NO_TIMES = ["2026-13-45T99:99:99Z", "2016-12-31T23:59:60Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"]


@pytest.mark.parametrize("zone", ["XXX+5", "XXX-5"])
@pytest.mark.parametrize("text", NO_TIMES)
def test_an_error_quotes_what_only_looks_like_a_time(box, monkeypatch, text, zone):
    """Times in our sentences are shown on the box's clock."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert box.run("workloads", "apply", "pump", "--at", text).exit_code == 2
        assert box.run("workloads", "show", text).exit_code == 66
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_impossible_time_zone_is_refused_by_name(box, monkeypatch):
    monkeypatch.setenv("TZ", "XXX-25")
    time.tzset()
    try:
        for words in (("workloads", "apply", "pump", "--at", "02:00"), ("workloads", "list")):
            box.run(*words).check(exit_code=78, stdout="", stderr=OFFSET)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_home_of_nobody_is_refused(box, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = box.run("workloads", "list", "--config", "~nosuchuser/x")
    assert result.exit_code in {0, 78}
    assert not (tmp_path / "~nosuchuser").exists()
    monkeypatch.setenv("KELVIN_PROVISION_SECRETS_DIR", "~nosuchuser/x")
    result = box.run("workloads", "list")
    assert result.exit_code == 78
    assert "an absolute path, or one that begins with ~" in result.stderr


def test_a_state_directory_in_the_home_of_nobody_is_refused(tmp_path, monkeypatch):
    from tests.kit.cli import run

    monkeypatch.chdir(tmp_path)
    run("workloads", "list", "--state-dir", "~nosuchuser/x").check(
        exit_code=78,
        stdout="",
        stderr="error: --state-dir ~nosuchuser/x: there is no user of that name\n hint: give an absolute path\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_no_text_can_be_stored(monkeypatch):
    monkeypatch.setitem(os.environ, "SUDO_USER", b"j\xf6rg".decode(errors="surrogateescape"))
    assert user() == "j\\xf6rg"


@pytest.mark.parametrize(("text", "count"), [("7", 7), ("²", None), ("٣", None), ("9" * 5000, None), ("", None), ("-1", None)])
def test_a_revision_in_the_label_of_a_stranger(text, count):
    assert parse_count(text) == count
    assert revision_of({"metadata": {"annotations": {REVISION: text}}}) == count
    document = {"Id": "1", "Name": "/x", "Config": {"Labels": {REVISION: text}}}
    assert LiveContainer.of(document).revision == (count or 0)
