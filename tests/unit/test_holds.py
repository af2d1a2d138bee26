"""How a workload says that it is not to be changed now: an annotation, a file; and what of it is believed."""

import io
import os
import tarfile

import pytest

from kelvin_provision.cluster.docker.render.files import HOLD_ARCHIVE_BYTES, hold_from
from kelvin_provision.cluster.kubernetes.judge.holds import annotated_hold, hold_folders
from kelvin_provision.cluster.kubernetes.judge.observation import observations
from kelvin_provision.files.notes import read_note
from kelvin_provision.observation import Hold

HOLD = "kelvin-provision/hold"


def thing(kind, name, *, notes=None, **more):
    metadata = {"name": name, "labels": {"kelvin-provision/workload": "pump"}, "annotations": notes or {}, **more.pop("metadata", {})}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, **more}


# --- annotations ----------------------------------------------------------------------------------


def test_an_annotation_holds_and_the_server_knows_since_when():
    fields = [
        {"manager": "kelvin-provision", "time": "2026-11-20T00:00:00Z", "fieldsV1": {"f:metadata": {"f:annotations": {"f:other": {}}}}},
        {"manager": "kubectl-annotate", "time": "2026-11-23T02:00:00Z", "fieldsV1": {"f:metadata": {"f:annotations": {f"f:{HOLD}": {}}}}},
    ]
    item = thing("Deployment", "pump", notes={HOLD: " drilling\nuntil six "}, metadata={"managedFields": fields})
    assert annotated_hold([thing("ConfigMap", "x"), item]) == Hold("drilling until six", "Deployment/pump", "2026-11-23T02:00:00Z")
    assert annotated_hold([thing("Pod", "pump-1", notes={HOLD: ""})]) == Hold("", "Pod/pump-1")
    assert annotated_hold([thing("Pod", "pump-1", notes={"other": "x"})]) is None


def test_a_hold_is_part_of_what_is_seen():
    pod = thing("Pod", "pump-1", notes={HOLD: "drilling"}, status={})
    assert observations([thing("ConfigMap", "c")], [pod], [], "now")["pump"].hold == Hold("drilling", "Pod/pump-1")
    files = {"pump": Hold("a file", "/srv/hold/reason")}
    assert observations([thing("ConfigMap", "c")], [], [], "now", files)["pump"].hold == files["pump"]


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        ({"mountPath": "/opt/kelvin/hold"}, [("pump", "/srv/hold")]),
        ({"mountPath": "/opt/kelvin/hold/"}, [("pump", "/srv/hold")]),
        ({"mountPath": "/opt/kelvin/hold", "subPath": "x"}, []),
        ({"mountPath": "/data"}, []),
    ],
)
def test_a_host_volume_where_a_hold_stands_is_looked_into(mount, expected):
    volumes = [{"name": "v", "hostPath": {"path": "/srv/hold"}}, {"name": "claim", "persistentVolumeClaim": {"claimName": "c"}}]
    pod = {"volumes": volumes, "containers": [{"name": "c", "volumeMounts": [{"name": "v", **mount}]}, {"name": "d"}]}
    assert list(hold_folders([thing("Deployment", "pump", spec={"template": {"spec": pod}})])) == expected
    assert list(hold_folders([thing("Pod", "pump-1", spec=pod)])) == expected
    assert list(hold_folders([thing("ConfigMap", "c")])) == []


# --- files ----------------------------------------------------------------------------------------


def test_a_file_is_the_reason_and_its_time_the_age(tmp_path):
    path = tmp_path / "reason"
    assert read_note(path) is None
    path.write_text("drilling\nuntil six\n")
    os.utime(path, (1763863200, 1763863200))
    assert read_note(path) == ("drilling until six", "2025-11-23T02:00:00Z")


def test_what_a_workload_leaves_in_place_of_a_file_is_not_followed_nor_waited_for(tmp_path):
    (tmp_path / "secret").write_text("password")
    path = tmp_path / "reason"
    path.symlink_to(tmp_path / "secret")
    assert read_note(path) == ("(reason: too many levels of symbolic links)", "")
    path.unlink()
    os.mkfifo(path)
    assert read_note(path) == ("(reason is not a regular file)", "")
    path.unlink()
    path.mkdir()
    assert read_note(path) == ("(reason is not a regular file)", "")
    assert read_note(tmp_path / "secret" / "reason") is None


def test_a_reason_is_short_and_can_be_shown_whatever_it_is(tmp_path):
    path = tmp_path / "reason"
    path.write_bytes(b"\x1b[2J\xff\x00" + b"x" * 100_000)
    words, _ = read_note(path)
    assert words.startswith("\\x1b[2J\N{REPLACEMENT CHARACTER}\\x00xxx")
    assert len(words) < 5000


def tar(entry, data=b""):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as file:
        entry.size = len(data)
        file.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def entry(**more):
    found = tarfile.TarInfo("reason")
    for key, value in more.items():
        setattr(found, key, value)
    return found


def test_on_docker_the_beginning_of_an_archive_is_enough():
    assert hold_from(None) is None
    assert hold_from(tar(entry(mtime=1763863200), b"drilling\n")) == Hold("drilling", "/opt/kelvin/hold/reason", "2025-11-23T02:00:00Z")
    long = hold_from(tar(entry(), b"x" * 1_000_000)[:HOLD_ARCHIVE_BYTES])
    assert long.reason == "x" * 4096
    for odd in (entry(type=tarfile.SYMTYPE, linkname="/etc/shadow"), entry(type=tarfile.DIRTYPE), entry(type=tarfile.FIFOTYPE)):
        assert hold_from(tar(odd)).reason == "(reason is not a regular file)"
    for broken in (b"", b"\xff" * 600):
        assert hold_from(broken).reason == "(reason is not a regular file)"
