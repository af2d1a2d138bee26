"""`trust show|history|create|sign|import`: a rotation and a revocation as a person types them, and what is refused on the way."""

import json

import pytest

from kelvin_provision.trust import computing
from tests.kit.bundle_box import desk as desk_at
from tests.kit.bundle_box import offline
from tests.kit.cli import run
from tests.kit.signing import computed_here, key_pair


@pytest.fixture(autouse=True)
def desk(tmp_path, monkeypatch):
    """A folder with the keys of three people."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "site.yaml"))
    monkeypatch.setattr(computing, "computed", computed_here)
    for name in ("anna", "bert", "carl"):
        private, public = key_pair(name=name)
        (tmp_path / f"{name}.key").write_bytes(private.pem)
        (tmp_path / f"{name}.key").chmod(0o600)
        (tmp_path / f"{name}.pub").write_bytes(public.pem)
    return tmp_path


@pytest.fixture
def box(tmp_path):
    """A box whose site file trusts anna."""
    (tmp_path / "site.yaml").write_text(f"trust: {{keys: [{tmp_path}/anna.pub]}}\n")
    found = offline(tmp_path / "state", registry="r.io")
    yield found
    found.close()


def document(*words):
    result = run(*map(str, words), "--json")
    return json.loads(result.stdout), result.exit_code


def failed(box, *words, code, exit_code=65):
    result = box.run(*map(str, words), "--json")
    error = json.loads(result.stdout)["error"]
    assert (error["code"], result.exit_code) == (code, exit_code), error
    return error


def signed(file, *names):
    for name in names:
        run("trust", "sign", file, "--key", f"{name}.key").check(stderr="")


def made(file, *words, by=()):
    run("trust", "create", file, *words).check(stderr="")
    signed(file, *by)


def test_who_revokes_an_image_is_told_to_revoke_index_and_manifests():
    result = run("trust", "create", "new.json", "--root-key", "anna.pub", "--revoke-image", f"sha256:{'a' * 64}")
    assert "revoke the index and each of its manifests" in result.stderr
    assert result.exit_code == 0
    assert "revoke" not in run("trust", "create", "other.json", "--root-key", "anna.pub").stderr


def test_keys_are_handed_over_and_revoked_as_a_person_types_it(box):
    assert box.run("trust", "show").stdout.startswith("number    0 (trust.keys)\nroot      1 of 1 must sign\n          anna  ed25519")
    made(
        "trust-1.json",
        "--root-key",
        "anna.pub",
        "--root-key",
        "bert.pub",
        "--root-threshold",
        "2",
        "--bundle-key",
        "carl.pub",
        by=["anna", "bert"],
    )
    shown = run("trust", "show", "trust-1.json").stdout
    assert "root      2 of 2 must sign\n" in shown
    assert "images    no key: nothing signed counts\n" in shown
    assert "trust-1.json" not in box.run("trust", "history").stdout
    done = box.run("trust", "import", "trust-1.json")
    assert "accepted, sha256:" in done.stdout
    made(
        "trust-2.json",
        "--after",
        "trust-1.json",
        "--revoke-key",
        "carl.pub",
        "--bundle-key",
        "bert.pub",
        "--revoke-bundle",
        "ab" * 32,
        by=["bert", "anna"],
    )
    assert box.run("trust", "import", "trust-2.json").exit_code == 0
    assert "known" in box.run("trust", "import", "trust-2.json").stdout
    now = json.loads(box.run("trust", "show", "--json").stdout)["trust"]
    assert (now["number"], [key["name"] for key in now["bundles"]["keys"]], now["revoked"]["bundles"]) == (
        2,
        ["bert"],
        [f"sha256:{'ab' * 32}"],
    )
    rows = json.loads(box.run("trust", "history", "--json").stdout)["documents"]
    assert [(row["number"], row["origin"]) for row in rows] == [(2, "from trust-2.json"), (1, "from trust-1.json")]
    assert [name.partition(" ")[0] for name in rows[0]["signers"]] == ["bert", "anna"]


def test_documents_go_onto_a_stick_alone_and_with_a_request(box, tmp_path):
    made("trust-1.json", "--root-key", "bert.pub", "--revoke-key", "anna.pub", by=["anna", "bert"])
    (tmp_path / "stick").mkdir()
    with_desk = desk_at(tmp_path / "desk-state", registry="r.io")
    result = with_desk.run("bundle", "create", "--trust", "trust-1.json", "--to", "stick")
    assert (result.exit_code, [path.name for path in (tmp_path / "stick").iterdir()]) == (0, ["trust-1.kpb"]), result.stderr
    assert with_desk.run("bundle", "verify", "stick").exit_code == 0
    assert with_desk.run("bundle", "create", "--trust", "trust-1.json", "--to", "stick", "--repair").exit_code == 0
    with_desk.close()
    done = box.run("bundle", "import", "stick", "--yes")
    assert (done.exit_code, "trust document" in done.stdout) == (0, True), done.stderr
    assert "number    1\n" in box.run("trust", "show").stdout


def test_each_refusal_leads_to_what_helps(box):
    made("trust-1.json", "--root-key", "bert.pub", by=["anna"])
    refused = failed(box, "trust", "import", "trust-1.json", code="trust-document-refused")
    assert "kelvin-provision trust sign FILE --key KEY" in refused["hint"]
    signed("trust-1.json", "bert")
    made(
        "trust-2.json",
        "--after",
        "trust-1.json",
        "--revoke-key",
        "anna.pub",
        "--request-key",
        "carl.pub",
        "--request-key",
        "bert.pub",
        "--request-threshold",
        "2",
        by=["bert"],
    )
    gap = failed(box, "trust", "import", "trust-2.json", code="trust-document-refused")
    assert gap["hint"] == "bring every document from the next number on, together"
    assert box.run("trust", "import", "trust-2.json", "trust-1.json").exit_code == 0


def test_a_changed_document_is_copied_again_from_where_it_was_signed(box, tmp_path):
    made("trust-1.json", "--root-key", "anna.pub", by=["anna"])
    good = (tmp_path / "trust-1.json").read_bytes()
    (tmp_path / "trust-1.json").write_bytes(good.replace(b'"images": null', b'"images":  null'))
    changed = failed(box, "trust", "import", "trust-1.json", code="trust-document-invalid")
    assert changed["hint"] == "copy the document and its signatures again from where they were signed"
    (tmp_path / "trust-1.json").write_bytes(good)
    assert box.run("trust", "import", "trust-1.json").exit_code == 0


def test_a_request_of_too_few_and_of_a_revoked_key_leads_to_whose_signatures_count(box, tmp_path):
    (tmp_path / "motor.json").write_text("{}")
    made(
        "trust-1.json",
        "--root-key",
        "bert.pub",
        "--request-key",
        "bert.pub",
        "--request-key",
        "carl.pub",
        "--request-threshold",
        "2",
        "--revoke-key",
        "anna.pub",
        by=["anna", "bert"],
    )
    assert box.run("trust", "import", "trust-1.json").exit_code == 0
    for name, code in (("anna", "signer-revoked"), ("bert", "signers-too-few")):
        run("key", "sign", "motor.json", "--key", f"{name}.key", "--replace").check(stderr="")
        error = failed(box, "workloads", "deploy", "motor.json", code=code)
        assert "kelvin-provision trust show" in error["hint"]
    run("key", "sign", "motor.json", "--key", "carl.key").check(stderr="")
    failed(box, "workloads", "deploy", "motor.json", code="request-refused")


def test_without_keys_the_first_is_set_by_hand(tmp_path):
    made("trust-1.json", "--root-key", "anna.pub", by=["anna"])
    box = offline(tmp_path / "state")
    error = failed(box, "trust", "import", "trust-1.json", code="signer-unknown")
    assert "config set trust.keys FILE" in error["hint"]
    assert box.run("trust", "show").stdout == "no trusted keys: nothing has to be signed\n"
    box.close()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["trust", "create", "new.json"], "usage"),
        (["trust", "create", "new.json", "--root-key", "anna.pub", "--root-threshold", "2"], "usage"),
        (["trust", "create", "new.json", "--root-key", "anna.pub", "--revoke-bundle", "abc"], "usage"),
        (["trust", "create", "new.json", "--root-key", "anna.pub", "--revoke-key", "anna.pub"], "usage"),
        (["trust", "create", "new.json", "--root-key", "anna.key"], "key-invalid"),
        (["trust", "create", "anna.pub", "--root-key", "anna.pub"], "cannot-write"),
        (["trust", "sign", "anna.pub", "--key", "anna.key"], "trust-document-invalid"),
        (["trust", "show", "anna.pub"], "trust-document-invalid"),
        (["trust", "show", "nothing.json"], "file-unreadable"),
    ],
)
def test_nothing_is_made_or_signed_that_no_box_takes(words, code, desk):
    before = sorted(desk.iterdir())
    found, exit_code = document(*words)
    assert (found["error"]["code"], exit_code != 0) == (code, True)
    assert sorted(desk.iterdir()) == before
