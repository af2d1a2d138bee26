"""`bundle inspect` and `bundle verify` at the terminal: what they show, and what a hostile bundle cannot make them show."""

import json

import pytest

from kelvin_provision.bundles import limits
from kelvin_provision.trust.dsse import BUNDLE
from tests.kit import bundles
from tests.kit.bundle_box import stick
from tests.kit.cli import run
from tests.kit.images import random_image
from tests.kit.signing import key_pair, signatures, trusting

__all__ = ["stick"]
REQUEST = json.dumps({"name": "pump", "app_version": "2.0.0"}).encode()


@pytest.fixture(autouse=True)
def desk(tmp_path, monkeypatch):
    """No state directory, no settings."""
    monkeypatch.setenv("KELVIN_PROVISION_STATE_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "none.yaml"))


def lines(text):
    """Values by key, those of one key together."""
    found, key = {}, ""
    for line in text.splitlines():
        key = line[:12].strip().rstrip(":") or key
        found.setdefault(key, []).append(line[12:])
    return found


def test_inspect_shows_what_is_in_it_for_whom_and_by_whom(stick):
    image = random_image([3000, 5_000_000])
    bundle = bundles.write(
        stick, {"r.io/pump:1": image}, [REQUEST], name="north", serial=3, boxes=("line-1", "line-2"), part_size=limits.CHUNK
    )
    result = run("bundle", "inspect", str(stick))
    shown = lines(result.stdout)
    assert (shown["Name"], shown["Serial"], shown["For"]) == (["north"], ["3"], ["line-1, line-2"])
    assert shown["Digest"] == [bundle.digest.partition(":")[2]]
    assert shown["Signed by"] == ["no key; compare the digest with the desk where it was made"]
    assert shown["Requests"] == ["0001.json: pump 2.0.0"]
    assert shown["Images"][0].startswith(f"r.io/pump:1@{image.digest[:19]} (linux/amd64, 4.8 MiB, 2 layers)")
    assert [part.rpartition(", ")[0] for part in shown["Parts"]] == [f"{stick}/north.kpb.001", f"{stick}/north.kpb.002"]
    assert (result.exit_code, bundle.digest[7:] in result.stderr) == (0, True)
    assert not (stick.parent / "none").exists()


def test_what_the_box_must_have_is_shown(stick):
    image = random_image([3000, 50])
    absent = json.loads(image.manifest)["layers"][0]["digest"]
    bundles.write(stick, {"r.io/pump:1": image}, absent=(absent,))
    result = run("bundle", "inspect", str(stick))
    assert "2 layers, 1 of them already on the box" in result.stdout
    assert lines(result.stdout)["Needs"] == ["1 blob that the box must have"]
    assert json.loads(run("bundle", "inspect", str(stick), "--json").stdout)["needs"] == [absent]


def test_the_digest_that_is_shown_is_the_one_to_expect(stick):
    bundles.write(stick, requests=[REQUEST])
    digest = lines(run("bundle", "inspect", str(stick)).stdout)["Digest"][0]
    for command in ("inspect", "verify"):
        run("bundle", command, str(stick), "--expect", digest, "--quiet").check(stderr="")
        assert run("bundle", command, str(stick), "--expect", digest[:-1] + "x").exit_code == 65


def test_where_bundles_must_be_signed_nothing_of_another_is_shown(stick, tmp_path):
    anna = key_pair()
    (path,) = trusting(tmp_path, anna).keys
    (tmp_path / "none.yaml").write_text(f"trust:\n  keys: [{path}]\n")
    bundle = bundles.write(stick, requests=[REQUEST], name="north")
    unsigned = run("bundle", "inspect", str(stick))
    assert (unsigned.exit_code, unsigned.stdout) == (65, "")
    bundle.write(stick, signatures(anna, bundle.table, BUNDLE))
    signed = run("bundle", "inspect", str(stick))
    assert lines(signed.stdout)["Signed by"] == [f"anna ({anna[1].key_id[:12]}), trusted by this box"]
    assert (signed.exit_code, signed.stderr) == (0, "")
    bundle.write(stick, signatures(key_pair(name="mallory"), bundle.table, BUNDLE))
    assert run("bundle", "verify", str(stick)).exit_code == 65
    (tmp_path / "none.yaml").unlink()
    assert lines(run("bundle", "inspect", str(stick)).stdout)["Signed by"] == ["1 key that this box does not trust"]


@pytest.mark.parametrize(
    "request_",
    [b'{"name": "x\\nSigned by:  anna, trusted by this box"}', b'{"name": {"a": 1}}', b'{"name": "\\u001b[2J"}', b"- [", b"\xff"],
)
def test_a_request_cannot_write_lines_of_ours(stick, request_):
    bundles.write(stick, requests=[request_], annotations={"Signed by": "anna, trusted by this box"})
    result = run("bundle", "inspect", str(stick))
    shown = lines(result.stdout)
    assert shown["Signed by"] == ["no key; compare the digest with the desk where it was made"]
    assert shown["Requests"] in (["0001.json: ? ?"], ["0001.json: invalid request: 1 finding"])
    assert shown["Notes"] == ["Signed by = anna, trusted by this box"]
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("name", ["a\x1b[2J.kpb", "a\nb.kpb", "pump\nSigned by:  anna.kpb", "a\u202egpj.kpb", "\udcff.kpb"])
def test_names_of_files_cannot_control_the_terminal(stick, name):
    bundles.make(requests=[REQUEST]).write(stick)[0].rename(stick / name)
    for words in (("inspect", str(stick)), ("verify", str(stick), "-v"), ("inspect", str(stick / name))):
        result = run("bundle", *words)
        assert result.exit_code in ({65} if name == "\udcff.kpb" else {0, 66})
        assert not {"\x1b", "\u202e"} & set(result.stdout + result.stderr)
        assert "a\nb" not in result.stdout + result.stderr


def test_verify_says_what_is_whole_bad_and_not_here(stick):
    paths = bundles.make({"r.io/pump:1": random_image([9_000_000])}, name="north", part_size=limits.CHUNK).write(stick)
    whole = run("bundle", "verify", str(stick))
    assert (whole.exit_code, whole.stdout) == (0, "bundle north: verified, 3 of 3 chunks, 8.6 MiB\n")
    data = paths[1].read_bytes()
    paths[1].write_bytes(b"\0" + data[1:])
    paths[2].unlink()
    result = run("bundle", "verify", str(stick))
    assert result.exit_code == 65
    assert f"place {paths[1]}: damaged, MiB 0 to 3: changed, sha256:" in result.stdout
    assert "bundle north: damaged, 2 of 3 chunks, 8.0 MiB" in result.stdout
    assert "warning: part 3 is not here" in result.stderr
    assert "error: the bundle north is damaged: 1 of 3 chunks" in result.stderr
    document = json.loads(run("bundle", "verify", str(stick), "--json").stdout)
    assert (document["status"], document["error"]["code"], document["missing"]) == ("error", "bundle-damaged", [3])
    assert [(bad["part"], bad["offset"], bad["size"]) for bad in document["bad"]] == [(2, 0, limits.CHUNK)]
    paths[1].write_bytes(data)
    incomplete = run("bundle", "verify", str(stick))
    assert (incomplete.exit_code, incomplete.stdout) == (0, "bundle north: incomplete, 2 of 3 chunks, 8.0 MiB\n")
