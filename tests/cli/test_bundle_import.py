"""`bundle import` at the terminal: what it shows, what it asks, and what the lists say while a stick is away."""

import json
import tarfile

import pytest

from tests.kit import bundles
from tests.kit.bundle_box import offline_box as box
from tests.kit.images import random_image
from tests.kit.requests import stored_request

__all__ = ["box"]
REGISTRY = "registry.example.com:5000"
IMAGE = random_image([4000, 50_000])


@pytest.fixture
def stick(tmp_path):
    bundles.write(tmp_path / "stick", {f"{REGISTRY}/pump:1.0.0": IMAGE}, [stored_request("pump")], name="north")
    return tmp_path / "stick"


def test_without_a_terminal_it_says_what_it_would_do_and_stores_nothing(box, stick):
    result = box.ended("bundle", "import", str(stick), "--json", code=2)
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "confirmation-needed"
    assert error["evidence"][0] == "pump: pump new -> 1.0.0, staged-only"
    assert "this will import the bundle north, not signed: 1 image, " in error["message"]
    assert box.ledger.names() == []


def test_what_was_imported_is_staged_and_applied_without_a_network(box, stick):
    result = box.ended("bundle", "import", str(stick), "--yes")
    assert "pump" in result.stdout
    assert "the bundle is not signed" in result.stderr
    box.turn()
    box.ended("workloads", "apply", "pump")
    shown = json.loads(box.ended("workloads", "show", "pump", "--json").stdout)
    assert [image["source"] for image in shown["images"]] == ["bundle"]
    entries = json.loads(box.ended("workloads", "history", "pump", "--json").stdout)["entries"]
    assert [entry["action"] for entry in entries] == ["bundle import", "apply"]
    assert f"on {stick}/north.kpb" in entries[0]["detail"]


def test_a_stick_that_is_away_is_named_by_every_command(box, stick):
    box.ended("bundle", "import", str(stick), "--yes")
    stick.rename(stick.with_name("away"))
    box.turn()
    for words in (("list", "--staged"), ("show", "pump"), ("list",)):
        result = box.ended("workloads", *words)
        assert "waits for the stick north" in " ".join((result.stdout + result.stderr).split()), words
    waited = box.run("workloads", "wait", "pump", "--for", "ready", "--timeout", "0.1")
    assert "waits for the stick north" in waited.stderr


def test_images_alone_are_kept_and_pruned(box, stick):
    result = json.loads(box.ended("bundle", "import", str(stick), "--images-only", "--yes", "--json").stdout)
    assert [len(result["kept_images"]), result["accepted"], box.ledger.names()] == [1, [], []]
    assert json.loads(box.ended("images", "prune", "--yes", "--json").stdout)["items"][0]["outcome"] == "freed"


def test_a_digest_that_was_read_out_is_compared(box, stick):
    other = json.loads(box.ended("bundle", "import", str(stick), "--yes", "--expect", "0" * 64, "--json", code=65).stdout)
    assert other["error"]["code"] == "expected-other"
    digest = json.loads(box.ended("bundle", "inspect", str(stick), "--json").stdout)["digest"]
    assert "not signed" not in box.ended("bundle", "import", str(stick), "--yes", "--expect", digest).stderr


def media(box):
    """Exit code aside: the fakes have no certificates."""
    checks = json.loads(box.run("doctor", "--json").stdout)["checks"]
    return [(check["status"], check["found"]) for check in checks if check["id"] == "media"]


def test_doctor_knows_the_media_and_whether_they_are_here(box, stick):
    assert media(box) == [("ok", "no bundles were imported")]
    box.ended("bundle", "import", str(stick), "--yes")
    ((status, text),) = media(box)
    assert (status, text.endswith("not signed: here; pump needs it until it is ready")) == ("ok", True)
    away = stick.rename(stick.with_name("away"))
    ((status, text),) = media(box)
    assert (status, text.endswith("not signed: it is not here, and pump waits for it")) == ("warning", True)
    away.rename(stick)
    box.turn()
    ((status, text),) = media(box)
    assert (status, text.endswith("all that was needed of it is on this box")) == ("ok", True)


def test_the_support_bundle_has_bundles_signers_and_media(box, stick, tmp_path):
    box.ended("bundle", "import", str(stick), "--yes")
    box.ended("support-bundle", "-o", str(tmp_path / "support.tar.gz"))
    with tarfile.open(tmp_path / "support.tar.gz") as archive:
        name = next(name for name in archive.getnames() if name.endswith("ledger.jsonl"))
        rows = [json.loads(line) for line in archive.extractfile(name).read().splitlines()]
    (bundle,) = [row for row in rows if row["table"] == "bundles"]
    (medium,) = [row for row in rows if row["table"] == "media"]
    assert (bundle["name"], bundle["signers"], medium["place"]) == ("north", [], f"{stick}/north.kpb")
