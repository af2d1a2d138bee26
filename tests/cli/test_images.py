"""images list, verify and prune: whole outputs, on a runtime in memory and a real store."""

import json
import re

import pytest

from kelvin_provision.errors import RuntimeUnreachable
from kelvin_provision.runtimes.protocol import ImageStorage, RuntimeInfo
from tests.kit.box import Box
from tests.kit.cli import run
from tests.kit.images import random_image


def template(path):
    """`pump` runs in version 2 and can go back to 1; `fan` is staged. What nothing needs is there, too: the image of `gone`."""
    found = Box(path)
    found.runtime.storage_folders = ImageStorage(unpacked=path, compressed=path)
    for version in ("1.0.0", "2.0.0"):
        stage(found, "pump", version)
        found.command_apply("pump")
    for name in ("fan", "gone"):
        stage(found, name, "1.0.0")
    found.ledger.drop_staged("gone")
    return found


@pytest.fixture
def box(copy_of, tmp_path):
    found = copy_of(template)
    found.runtime.storage_folders = ImageStorage(unpacked=tmp_path, compressed=tmp_path)
    return found


def stage(box, name, version):
    box.source.images[f"r.io/{name}:{version}"] = random_image([3000], level=0)
    box.deploy(name, version=version)
    box.turn()


def say(box, *words, **more):
    result = box.run("images", *words, **more)
    assert "Traceback" not in result.stderr
    return result


def items(result):
    return [(item["kind"], item["name"], item["outcome"], item["detail"]) for item in json.loads(result.stdout)["items"]]


def lock_of(box, name):
    return next(lock for lock in box.ledger.known_images() if str(lock.reference) == name)


def short(box, name):
    return lock_of(box, name).root.digest[7:19]


def weight(lock):
    return sum(layer.size for layer in lock.layers)


def damage(box, name):
    """One bit of an image's layer is another one."""
    blob = lock_of(box, name).layers[0]
    path = box.store.path(blob)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(bytes(data))
    return blob.digest


# --- list -----------------------------------------------------------------------------------------


def test_the_list_for_people(box):
    box.store.path(lock_of(box, "r.io/fan:1.0.0").layers[0]).unlink()
    box.runtime.garbage_collect(lock_of(box, "r.io/pump:1.0.0"))
    result = say(box, "list")
    assert result.exit_code == 0
    fan, gone, one, two = (short(box, f"r.io/{name}") for name in ("fan:1.0.0", "gone:1.0.0", "pump:1.0.0", "pump:2.0.0"))
    assert re.sub(r"\d+(\.\d)? (B|KiB)|  \d+%", "SIZE", result.stdout).splitlines() == [
        "IMAGE            DIGEST        SIZE      STORE  RUNTIME  PINNED  USED BY",
        f"r.io/fan:1.0.0   {fan}  SIZESIZE     yes      yes     fan 1.0.0 (staged)",
        f"r.io/gone:1.0.0  {gone}  SIZE  yes    yes      yes     none",
        f"r.io/pump:1.0.0  {one}  SIZE  yes    no       no      pump 1.0.0 (kept)",
        f"r.io/pump:2.0.0  {two}  SIZE  yes    yes      yes     pump 2.0.0 (running)",
    ]
    assert re.fullmatch(
        r"Total: 4 images, \d+\.\d KiB in the store; kelvin-provision images prune would free \d+\.\d KiB there\n", result.stderr
    )


def test_the_list_as_a_document(box):
    lock = lock_of(box, "r.io/pump:2.0.0")
    document = json.loads(say(box, "list", "--json").stdout)
    assert document["images"][3] == {
        "reference": "r.io/pump:2.0.0",
        "name": lock.name,
        "digest": lock.manifest.digest,
        "config": lock.config.digest,
        "platform": "linux/amd64",
        "variants": [],
        "size": lock.size,
        "stored": lock.size,
        "in_store": True,
        "rebuilt": [],
        "local": None,
        "in_runtime": True,
        "pinned": True,
        "used_by": [{"workload": "pump", "revision": 2, "version": "2.0.0", "slot": "running", "additional": False}],
    }
    gone = lock_of(box, "r.io/gone:1.0.0")
    assert {key: value for key, value in document.items() if key != "images"} == {
        "schema": 1,
        "command": "images list",
        "orphans": [],
        "store": {"path": str(box.settings.state_dir), "prunable": gone.size},
        "warnings": [],
    }
    assert say(box, "list", "-o", "name").stdout.splitlines()[3] == lock.name


def test_an_image_of_two_workloads_says_so_and_one_of_another_state_folder_is_an_orphan(box):
    box.source.images["r.io/fan:1.0.0"] = box.source.images["r.io/pump:2.0.0"]
    box.runtime.names["r.io/other@sha256:" + "a" * 64] = "sha256:" + "a" * 64
    box.runtime.pinned.add("r.io/other@sha256:" + "a" * 64)
    lines = say(box, "list", "-o", "wide").stdout.splitlines()
    assert lines[-1].split() == [
        "r.io/other",
        "a" * 12,
        "-",
        "no",
        "yes",
        "-",
        "not",
        "of",
        "this",
        "state",
        "directory",
        "-",
        "r.io/other@sha256:" + "a" * 64,
    ]
    assert json.loads(say(box, "list", "--json").stdout)["orphans"] == ["r.io/other@sha256:" + "a" * 64]


def test_a_runtime_that_does_not_answer_is_a_warning(box):
    box.runtime.error = RuntimeUnreachable("containerd does not answer")
    result = say(box, "list")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: the images in the runtime are unknown: containerd does not answer\n")
    assert result.stdout.splitlines()[1].split()[-6:] == ["yes", "?", "?", "fan", "1.0.0", "(staged)"]


def test_pins_that_a_runtime_ignores_are_not_told_as_pins(box, monkeypatch):
    monkeypatch.setattr(box.runtime, "info", lambda: RuntimeInfo("containerd", "1.6.20", box.runtime.platform, pins=False))
    result = say(box, "list")
    assert "warning: containerd 1.6.20 does not support pinned images: the agent restores removed images\n" in result.stderr
    assert result.stdout.splitlines()[1].split()[-5:] == ["yes", "ignored", "fan", "1.0.0", "(staged)"]


def test_a_box_without_anything_lists_nothing_and_makes_nothing(tmp_path):
    result = run("images", "list", "--state-dir", str(tmp_path / "none"))
    result.check(stdout="")
    assert result.stderr.endswith("No images found.\n")
    assert not (tmp_path / "none" / "images").exists()


# --- verify ---------------------------------------------------------------------------------------


def test_a_whole_store_is_verified(box):
    result = say(box, "verify", "--quiet")
    result.check(stderr="")
    assert re.fullmatch(r"store \S+/state: verified, 12 blobs, \d+\.\d KiB\n", result.stdout)
    assert say(box, "verify").stderr.startswith("verifying the store, ")


def test_a_wrong_blob_is_put_aside_and_named_with_its_image_and_workload(box):
    digest = damage(box, "r.io/pump:2.0.0")
    result = say(box, "verify", "--json", "--quiet")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["status"]) == (1, "failed")
    after = "the runtime has the image, so running workloads are not affected; to download it again, deploy that version again"
    assert items(result)[0] == ("blob", digest, "quarantined", f"of r.io/pump:2.0.0 for pump 2.0.0 (running); {after}")
    assert items(result)[1][2] == "damaged"
    assert (box.settings.state_dir / "quarantine" / f"{digest}-1").is_file()
    again = say(box, "verify", "--json", "--quiet")
    assert (again.exit_code, items(again)[0][:3]) == (1, ("blob", digest, "missing"))
    stage(box, "pump", "3.0.0")
    box.source.images["r.io/pump:2.0.0"], box.source.images["r.io/pump:3.0.0"] = (
        box.source.images[f"r.io/pump:{v}"] for v in ("2.0.0", "3.0.0")
    )
    box.deploy("pump", version="2.0.0")  # as the words say
    box.turn()
    assert say(box, "verify", "--quiet").exit_code == 0


def test_what_is_staged_and_nowhere_else_is_fetched_again_by_the_agent(box):
    digest = damage(box, "r.io/fan:1.0.0")
    box.runtime.garbage_collect(lock_of(box, "r.io/fan:1.0.0"))
    assert items(say(box, "verify", "--json", "--quiet"))[0] == (
        "blob",
        digest,
        "quarantined",
        "of r.io/fan:1.0.0 for fan 1.0.0 (staged); the agent downloads it again",
    )
    assert box.states()["fan"] == ("staged", "received")
    assert box.turn() is True
    assert box.states()["fan"] == ("staged", "ready")
    assert say(box, "verify", "--quiet").exit_code == 0


def test_what_is_staged_stays_ready_where_it_can_be_applied_all_the_same(box):
    damage(box, "r.io/fan:1.0.0")
    assert say(box, "verify", "--quiet").exit_code == 1
    assert box.states()["fan"] == ("staged", "ready")
    damaged_with_a_silent_runtime = damage(box, "r.io/pump:1.0.0")
    box.runtime.error = RuntimeUnreachable("containerd does not answer")
    detail = {name: detail for _, name, _, detail in items(say(box, "verify", "--json", "--quiet"))}
    assert detail[damaged_with_a_silent_runtime].startswith("of r.io/pump:1.0.0 for pump 1.0.0 (kept); it is not downloaded again, and")


def test_a_wrong_blob_that_nobody_needs_is_only_that(box):
    digest = damage(box, "r.io/gone:1.0.0")
    assert items(say(box, "verify", "--json", "--quiet"))[0] == ("blob", digest, "quarantined", "no image needs it")


# --- prune ----------------------------------------------------------------------------------------


def test_prune_frees_what_nothing_needs_and_says_how_much(box):
    gone = lock_of(box, "r.io/gone:1.0.0")
    kept = {lock.name for lock in box.ledger.kept_locks()}
    dry = say(box, "prune", "--dry-run", "--json")
    estimate = items(dry)[2][3]
    assert items(dry) == [
        ("image", "r.io/gone:1.0.0", "would be removed from the runtime", ""),
        ("store", str(box.settings.state_dir), "would be freed", f"{gone.size / 1024:.1f} KiB"),
        ("runtime", "fake", "would be freed", estimate),
    ]
    assert estimate == "about 40 KiB"  # 10 KiB as they came and, so the estimate, three times as much unpacked
    assert box.store.has(gone.layers[0])
    result = say(box, "prune", "--yes", "--quiet")
    result.check(stderr="")
    assert result.stdout == (
        "image r.io/gone:1.0.0: removed from the runtime\n"
        f"store {box.settings.state_dir}: freed, {gone.size / 1024:.1f} KiB\n"
        f"runtime fake: freed, {estimate}\n"
    )
    assert (box.runtime.owned(), box.ledger.unneeded_images()) == (kept, ())
    assert say(box, "verify", "--quiet").stdout.endswith(
        "verified, 9 blobs, " + say(box, "verify", "--quiet").stdout.partition("blobs, ")[2]
    )
    again = say(box, "prune", "--yes")
    again.check(stdout="", stderr="Nothing to do.\n")


def test_prune_asks_and_refuses_where_nobody_can_be_asked(box):
    refused = say(box, "prune", "--json")
    assert (refused.exit_code, json.loads(refused.stdout)["error"]["code"]) == (2, "confirmation-needed")
    asked = say(box, "prune", stdin="n\n", terminal=True)
    assert re.search(
        r"  r\.io/gone:1\.0\.0\nthis will free 10\.\d KiB in the store and 1 image in the runtime \(about 40 KiB\)\nContinue\? ",
        asked.stderr,
    )
    assert (asked.exit_code, box.store.has(lock_of(box, "r.io/gone:1.0.0").layers[0])) == (130, True)


def test_what_was_put_aside_and_partials_that_nobody_wants_go_too(box):
    say(box, "prune", "--yes")
    damage(box, "r.io/pump:1.0.0")
    say(box, "verify")
    (box.settings.state_dir / "partial" / f"sha256-{'b' * 64}").write_bytes(bytes(2048))
    quarantine = box.settings.state_dir / "quarantine"
    size = sum(path.stat().st_size for path in quarantine.iterdir())
    assert items(say(box, "prune", "--yes", "--json")) == [
        ("store", str(box.settings.state_dir), "freed", f"{(size + 2048) / 1024:.1f} KiB")
    ]
    assert [*quarantine.iterdir(), *(box.settings.state_dir / "partial").iterdir()] == []


def test_an_image_that_a_container_uses_stays_and_is_said_to(box):
    gone = lock_of(box, "r.io/gone:1.0.0")
    box.runtime.in_use.add(gone.name)
    result = say(box, "prune", "--yes", "--json")
    assert items(result)[0] == ("image", "r.io/gone:1.0.0", "stays in the runtime", "a container uses it, or it has another name there")
    assert gone.name in box.runtime.owned()


def test_images_of_another_state_folder_go_only_when_that_is_asked_for(box):
    other = "r.io/other@sha256:" + "a" * 64
    box.runtime.names[other] = "sha256:" + "a" * 64
    box.runtime.pinned.add(other)
    say(box, "prune", "--yes")
    assert other in box.runtime.owned()
    assert items(say(box, "prune", "--yes", "--orphans", "--json"))[0] == ("image", other, "removed from the runtime", "")
    assert other not in box.runtime.owned()


def test_a_runtime_that_does_not_answer_keeps_its_images_and_the_store_is_freed(box):
    gone = lock_of(box, "r.io/gone:1.0.0")
    box.runtime.error = RuntimeUnreachable("containerd does not answer")
    result = say(box, "prune", "--yes", "--json")
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (69, "failed")
    assert items(result) == [("store", str(box.settings.state_dir), "freed", f"{gone.size / 1024:.1f} KiB")]
    assert json.loads(result.stdout)["warnings"] == ["images that no version needs have not been removed yet: containerd does not answer"]
    box.runtime.error = None
    assert items(say(box, "prune", "--yes", "--json"))[0] == ("image", "r.io/gone:1.0.0", "removed from the runtime", "")
