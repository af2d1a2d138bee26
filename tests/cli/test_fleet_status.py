"""`fleet status` at a desk, with reports at Debian's docker-registry that boxes have signed."""

import json
from datetime import timedelta

import pytest

from kelvin_provision.fleet import status
from kelvin_provision.publications import artifact, report
from kelvin_provision.publications.report import Followed, Report, ReportedRevision, ReportedWorkload
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.registry.pushing.pusher import Pusher
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.media_types import OCI_MANIFEST
from kelvin_provision.timestamps import now, rfc3339
from tests.kit.cli import run
from tests.kit.images import push, random_image
from tests.kit.signing import key_pair, signatures

pytestmark = pytest.mark.xdist_group("registry")
REPOSITORIES = iter(f"reports/r{number}" for number in range(1000))
OLD, NEW = (f"sha256:{number:064x}" for number in (1, 2))


@pytest.fixture
def pusher(tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "site.yaml"))
    monkeypatch.setenv("KELVIN_PROVISION_STATE_DIR", str(tmp_path / "state"))
    made = Pusher(Settings(state_dir=tmp_path))
    yield made
    made.close()


class Fleet:
    """`keys` is the folder that the desk has; a box is known by `know`."""

    def __init__(self, pusher, registry, folder):
        self.pusher = pusher
        self.at = Reference(registry, next(REPOSITORIES))
        self.followed = f"{registry}/{next(REPOSITORIES)}:stable"
        self.keys = folder / "boxes"
        self.keys.mkdir()
        self.pairs = {}

    def know(self, box, name=None):
        pair = self.pairs.setdefault(box, key_pair(name=box))
        (self.keys / f"{name or box}.pub").write_bytes(pair[1].pem)

    def publication(self):
        """What the tag stands for now; its digest."""
        made = artifact.make(report.PAYLOAD_TYPE, b"{}", b"[]")
        return self.push(self.pusher, Reference.parse(self.followed), made, "stable")

    @staticmethod
    def push(pusher, at, made, tag):
        for blob, data in made.blobs:
            pusher.blob(at, blob, data)
        return pusher.manifest(at, made.manifest, OCI_MANIFEST, tag)

    def report(self, box, *workloads, digest=OLD, serial=1, by=None, tag=None, reference=None, error="", content=None, ago=0, within=None):
        pair = self.pairs.setdefault(by or box, key_pair(name=by or box))
        following = (Followed(reference or self.followed, serial, digest, error),)
        created = rfc3339(now() - timedelta(seconds=ago))
        value = Report(box, created, "1.0", Platform("linux", "arm64"), "docker", (("site", "a"),), following, workloads, within)
        content = content or report.encode(value)
        self.push(
            self.pusher,
            self.at,
            artifact.make(report.PAYLOAD_TYPE, content, signatures(pair, report.encode(value), report.PAYLOAD_TYPE)),
            tag or report.tag_of(box, pair[1].key_id),
        )

    def status(self, *words, keys=True):
        chosen = ["--keys", str(self.keys)] if keys else []
        return json.loads(run("fleet", "status", self.at.name, *chosen, *words, "--json").check(stderr=None).stdout)

    def text(self, *words):
        result = run("fleet", "status", self.at.name, "--keys", str(self.keys), *words).check(stderr=None)
        return result.stdout + result.stderr


@pytest.fixture
def fleet(pusher, registry, tmp_path):
    return Fleet(pusher, registry, tmp_path)


def pump(version="1.0.0", state="running", staged=None, error=""):
    return ReportedWorkload("pump", state, ReportedRevision(version), ReportedRevision(staged) if staged else None, error)


def test_versions_are_counted_and_boxes_that_are_behind_are_named(fleet):
    newest = fleet.publication()
    for number in range(5):
        box = f"north-{number}"
        fleet.know(box)
        fleet.report(box, pump("2.0.0" if number < 3 else "1.0.0"), digest=newest if number < 3 else OLD, serial=2 if number < 3 else 1)
    document = fleet.status()
    counted = {(row["workload"], row["running"], row["state"]): row["boxes"] for row in document["versions"]}
    assert counted == {("pump", "2.0.0", "running"): 3, ("pump", "1.0.0", "running"): 2}
    assert document["behind"] == ["north-3", "north-4"]
    assert document["publications"] == {fleet.followed: newest}
    assert "5 boxes reported, 2 behind. `fleet status --attention`" in fleet.text()
    shown = fleet.text("--attention")
    assert "north-3" in shown
    assert f"behind {fleet.followed}" in shown
    assert "north-1" not in shown
    assert "north-1" in fleet.text("--boxes")


def test_failures_are_named_with_their_reason(fleet):
    fleet.know("north")
    fleet.know("south")
    fleet.report("north", pump(state="failed", error="no image"))
    fleet.report("south", pump(), error="the registry does not answer")
    shown = fleet.text("--attention")
    assert "pump: no image" in shown
    assert "the registry does not answer" in shown
    assert "1 with failures" in shown


def test_a_report_that_is_older_than_its_box_lets_it_become_is_marked(fleet):
    """As of a registry that gives back what a box has sent before: only its time tells."""
    for box, ago, within in (("north", 80_000, None), ("east", 90_000, None), ("south", 90_000, 200_000), ("west", 300_000, 200_000)):
        fleet.know(box)
        fleet.report(box, pump(), ago=ago, within=within)
    document = fleet.status()
    assert {row["box"]: row["late"] for row in document["boxes"]} == {"north": False, "east": True, "south": False, "west": True}
    assert document["versions"][0]["boxes"] == 4
    shown = fleet.text("--attention")
    assert "4 boxes reported, 2 late." in shown
    assert "has not reported since, or the registry gives an older report" in " ".join(shown.split())
    assert [box for box in ("north", "east", "south", "west") if box in shown] == ["east", "west"]


def test_what_no_known_key_has_signed_is_marked_and_does_not_count(fleet):
    fleet.know("north")
    fleet.know("silent")
    fleet.report("north", pump())
    fleet.report("south", pump("6.6.6"))
    fleet.report("east", pump("6.6.6"), by="north")
    fleet.know("west")
    fleet.report("west", pump("6.6.6"), content=b"{}", tag="west")
    rows = {row["box"]: row["key"] for row in fleet.status()["boxes"]}
    assert rows == {"north": "known", "silent": "missing", "south": "unknown", "east": "other", "west": "unreadable"}
    assert [row["running"] for row in fleet.status()["versions"]] == ["1.0.0"]
    shown = fleet.text("--attention")
    assert "signed with the key of north" in shown
    assert f"unknown key {fleet.pairs['south'][1].key_id[:12]}" in shown
    assert "no report" in shown
    assert "the signature of west does not belong to it" in shown


def test_a_copy_of_what_a_box_has_signed_counts_once_and_hides_nothing(fleet):
    """Who may push may give the report of another box any tag, also an old one."""
    fleet.know("north")
    fleet.report("north", pump("2.0.0"))
    for tag in ("a", "north", "north-0123456789abcdef"):
        fleet.report("north", pump("1.0.0"), tag=tag)
    document = fleet.status()
    assert [(row["running"], row["boxes"]) for row in document["versions"]] == [("2.0.0", 1)]
    assert sorted(row["key"] for row in document["boxes"]) == ["known", "other", "other", "other"]
    assert "a copy: the report of this box has the tag north-" in fleet.text("--attention")


def test_a_report_that_the_registry_cannot_give_hides_no_other(fleet, pusher, monkeypatch):
    fleet.know("north")
    fleet.report("north", pump())
    fleet.report("lost", pump(error="x" * 60_000))
    manifest = pusher.read(fleet.at, report.tag_of("lost", fleet.pairs["lost"][1].key_id))
    gone = json.loads(manifest)["layers"][0]["digest"]
    pusher._transport(fleet.at.host).send(
        "DELETE", f"/v2/{fleet.at.repository}/blobs/{gone}", f"repository:{fleet.at.repository}:pull,push,delete", {}
    ).raise_for_status()
    rows = {row["tag"].rpartition("-")[0]: row["key"] for row in fleet.status()["boxes"]}
    assert rows == {"north": "known", "lost": "unreadable"}


def test_without_keys_nothing_is_verified_and_that_is_said(fleet):
    fleet.report("south", pump("2.0.0"))
    result = run("fleet", "status", fleet.at.name)
    assert "no report was verified" in result.stderr
    assert "2.0.0" in result.stdout
    assert fleet.status(keys=False)["boxes"][0]["key"] == "unknown"


def test_what_is_no_report_is_left_alone(fleet, registry):
    fleet.know("north")
    fleet.report("north", pump())
    push(registry, fleet.at.repository, "image", random_image([100]))
    fleet.report("odd", content=b"[" * 100_000, by="north", tag="odd")
    rows = {row["box"]: row for row in fleet.status()["boxes"]}
    assert (rows["image"]["key"], rows["odd"]["key"]) == ("unreadable", "unreadable")
    assert "artifactType" in rows["image"]["reason"]


def test_a_report_sends_this_desk_to_no_other_host(fleet):
    fleet.know("north")
    fleet.report("north", pump(), reference="127.0.0.1:1/fleet:stable")
    assert fleet.status()["behind"] == []


def test_a_large_report_is_a_blob_and_more_than_a_batch_is_read(fleet, monkeypatch):
    monkeypatch.setattr("kelvin_provision.fleet.reports._BATCH", 2)
    monkeypatch.setattr("kelvin_provision.fleet.reports._SHARE", 3)
    for number in range(7):
        fleet.know(f"b{number}")
        fleet.report(f"b{number}", *(ReportedWorkload(f"w{each}", "running", error="e" * 300) for each in range(200 if number == 3 else 1)))
    rows = {row["box"]: (row["key"], len(row["workloads"])) for row in fleet.status()["boxes"]}
    assert rows == {f"b{number}": ("known", 200 if number == 3 else 1) for number in range(7)}


def test_more_workloads_than_are_kept_are_counted(fleet, monkeypatch):
    monkeypatch.setattr(status, "_WORKLOADS", 1)
    for box in ("north", "south"):
        fleet.know(box)
        fleet.report(box, pump())
    document = fleet.status()
    assert (document["left_out"], document["versions"][0]["boxes"]) == (1, 2)


@pytest.mark.parametrize(("words", "code"), [(["--keys", "/nonexistent"], "file-unreadable"), ([], "image-not-found")])
def test_a_folder_or_a_repository_that_is_not_there_is_named(pusher, registry, words, code):
    result = run("fleet", "status", f"{registry}/reports/none", *words, "--json")
    assert json.loads(result.stdout)["error"]["code"] == code
