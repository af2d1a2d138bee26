"""A lowered keep_revisions: `images prune` drops what is kept beyond it, and says so before."""

import json

import pytest

from tests.kit.box import Box


def template(path):
    """Three versions ran; two are kept for a rollback."""
    found = Box(path)
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        found.deploy("pump", version=version)
        found.turn()
        found.command_apply("pump")
    found.deploy("pump", version="4.0.0")
    found.turn()
    return found


@pytest.fixture
def box(copy_of):
    return copy_of(template)


def versions(box):
    return sorted(lock.reference.tag for lock in box.ledger.kept_locks())


def outcomes(result):
    return [(item["kind"], item["name"], item["outcome"]) for item in json.loads(result.stdout)["items"] if item["kind"] != "store"]


def test_nothing_is_dropped_while_the_setting_is_as_it_was(box):
    assert outcomes(box.run("images", "prune", "--yes", "--json")) == []
    assert versions(box) == ["1.0.0", "2.0.0", "3.0.0", "4.0.0"]


@pytest.mark.parametrize(("keep", "numbers"), [("0", [1, 2]), ("1", [1])])
def test_what_is_beyond_it_goes_now_with_its_images(box, monkeypatch, keep, numbers):
    monkeypatch.setenv("KELVIN_PROVISION_KEEP_REVISIONS", keep)
    gone = [f"r.io/pump:{number}.0.0" for number in numbers]
    before = outcomes(box.run("images", "prune", "--dry-run", "--json"))
    assert set(before) == {
        *(("revision", f"pump/{number}", "would be dropped") for number in numbers),
        *(("image", name, "would be removed from the runtime") for name in gone),
    }
    assert versions(box) == ["1.0.0", "2.0.0", "3.0.0", "4.0.0"]
    asked = box.run("images", "prune", stdin="n\n", terminal=True)
    assert "  revision pump/1\n" in asked.stderr
    assert "this will drop" in asked.stderr

    assert outcomes(box.run("images", "prune", "--yes", "--json"))[0] == ("revision", "pump/1", "dropped")

    assert versions(box) == [f"{number}.0.0" for number in range(1, 5) if number not in numbers]
    assert not any(name.startswith(tuple(gone)) for name in box.runtime.owned())
    assert box.run("workloads", "rollback", "pump", "--to", "1", "--yes").exit_code in {2, 66}
    assert outcomes(box.run("images", "prune", "--yes", "--json")) == []


def test_the_list_says_how_much_prune_would_free(box, monkeypatch):
    assert "would free" not in box.run("images", "list").stderr
    monkeypatch.setenv("KELVIN_PROVISION_KEEP_REVISIONS", "0")
    assert "kelvin-provision images prune would free" in box.run("images", "list").stderr
