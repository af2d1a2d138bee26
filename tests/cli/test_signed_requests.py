"""`workloads deploy` where requests must be signed: nothing unsigned is staged, and the history says who signed."""

import json
import re
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kelvin_provision.errors import SignatureMissing
from kelvin_provision.files.hashing import sha256_hex
from kelvin_provision.ledger import history
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.spec.read.documents import read
from kelvin_provision.trust.dsse import BUNDLE
from kelvin_provision.usecases.deploy import DeployRequest, deploy
from kelvin_provision.usecases.revising.configure import ConfigureRequest, configure
from kelvin_provision.usecases.revising.revise import ReviseRequest, revise
from tests.kit.box import Box
from tests.kit.requests import platform_request
from tests.kit.signing import key_pair, signatures, trusting


@pytest.fixture(scope="module")
def anna():
    return key_pair()


def site_trusting(folder, monkeypatch, pair, **more):
    """The site file, with this key in trust.keys."""
    site = folder / "site.yaml"
    keys = [str(path) for path in trusting(folder, pair).keys]
    site.write_text(json.dumps({"trust": {"keys": keys, **more}}))
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(site))
    return site


@pytest.fixture
def box(tmp_path, anna, monkeypatch):
    """The setting is in the site file: `config` says what it is."""
    site_trusting(tmp_path, monkeypatch, anna, require_signature=["request"])
    found = Box(tmp_path / "state")
    found.settings = replace(found.settings, trust=trusting(tmp_path, anna, require=("request",)))
    yield found
    found.close()


@contextmanager
def requiring_no_signatures(box):
    """In the block, the box is as it was before its site required signatures."""
    before, box.settings = box.settings, replace(box.settings, trust=TrustSettings())
    yield
    box.settings = before


def request(folder, name="motor", **more):
    path = folder / f"{name}.json"
    path.write_bytes(json.dumps(platform_request(name, **more)).encode())
    return path


def signed(folder, pair, name="motor", kind=None, **more):
    path = request(folder, name, **more)
    path.with_name(f"{path.name}.sig").write_bytes(signatures(pair, path.read_bytes(), *([kind] if kind else [])))
    return path


def refused(box, *words, code, **more):
    result = box.run("workloads", "deploy", *map(str, words), "--json", **more)
    error = json.loads(result.stdout)["error"]
    assert (error["code"], result.exit_code, box.ledger.workloads()) == (code, 65, ()), error
    return error


@pytest.mark.slow
def test_a_signed_file_is_staged_and_the_history_says_who_signed_which_bytes(box, tmp_path, anna):
    files = [signed(tmp_path, anna, "motor"), signed(tmp_path, anna, "fan")]
    box.ended("workloads", "deploy", *map(str, files))
    details = {line.workload: line.detail for line in history.history(box.ledger)}
    for path in files:
        signer = f"signed by anna ({anna[1].key_id[:12]})"
        assert details[path.stem].endswith(f", staged-only, {signer}, sha256:{sha256_hex(path.read_bytes())}")


@pytest.mark.slow
def test_a_signature_may_be_elsewhere_also_for_standard_input(box, tmp_path, anna):
    path = request(tmp_path)
    other = tmp_path / "other.sig"
    other.write_bytes(signatures(anna, path.read_bytes()))
    box.ended("workloads", "deploy", str(path), "--signature", str(other))
    box.ended("workloads", "deploy", "-", "--signature", str(other), stdin=path.read_text())


def test_without_a_signature_nothing_is_staged_and_nothing_is_parsed(box, tmp_path):
    path = request(tmp_path)
    path.write_bytes(b'{"not even JSON')
    error = refused(box, path, code="signature-missing")
    assert error["message"] == f"{path}: not signed, and this box accepts signed requests only"
    assert "key sign" in error["hint"]
    (tmp_path / "motor.json.sig").write_bytes(b"")
    refused(box, path, code="signature-missing")
    refused(box, path, "--signature", tmp_path / "motor.json.sig", code="signature-missing")


def test_one_unsigned_file_of_several_refuses_all(box, tmp_path, anna):
    refused(box, signed(tmp_path, anna), request(tmp_path, "fan"), code="signature-missing")


@pytest.mark.slow
def test_what_was_changed_or_signed_by_another_or_for_another_purpose_is_refused(box, tmp_path, anna):
    path = signed(tmp_path, anna)
    path.write_bytes(path.read_bytes() + b"\n")
    refused(box, path, code="signature-invalid")
    refused(box, signed(tmp_path, key_pair(name="mallory")), code="signer-unknown")
    refused(box, signed(tmp_path, anna, kind=BUNDLE), code="signature-invalid")


def test_options_of_the_command_line_are_in_no_signature(box, tmp_path, anna):
    refused(box, "--app-name", "motor", "--app-version", "1.0.0", code="signature-missing")
    refused(box, signed(tmp_path, anna), "--image", "r.io/other:1", code="signature-missing")


def test_a_key_that_others_can_write_stops_the_deploy(box, tmp_path, anna):
    path = signed(tmp_path, anna)
    (tmp_path / "anna.pub").chmod(0o666)
    result = box.run("workloads", "deploy", str(path))
    result.check(
        exit_code=78,
        stderr=f"error: trusted key {tmp_path}/anna.pub: other users can write to it (mode 0666)\n hint: chmod go-w {tmp_path}/anna.pub\n",
    )


def test_no_other_door_makes_a_revision_without_a_signature(box, tmp_path):
    """Changes of the configuration or of a field, and everything else that stores a request, pass the same check."""
    with requiring_no_signatures(box):
        deploy(box.ctx, DeployRequest(read("motor.json", request(tmp_path).read_bytes())))
    before = box.ledger.workloads()
    for change in (
        lambda: configure(box.ctx, ConfigureRequest("motor", {"speed": 3})),
        lambda: revise(box.ctx, ReviseRequest("motor", {"title": "New"})),
        lambda: box.deploy("other"),
    ):
        with pytest.raises(SignatureMissing):
            change()
    assert box.ledger.workloads() == before


def test_what_was_accepted_before_can_be_applied_and_rolled_back_to(box):
    with requiring_no_signatures(box):
        box.up("1.0.0", "pump")
        box.deploy("pump", version="2.0.0")
    box.turn()
    box.command_apply("pump")
    box.rollback("pump")
    assert box.ledger.workload("pump").running.spec.app_version == "1.0.0"


@pytest.mark.slow
def test_where_none_is_required_a_signature_that_comes_along_must_be_right(tmp_path, anna, monkeypatch):
    site = site_trusting(tmp_path, monkeypatch, anna)
    box = Box(tmp_path / "state")
    box.ended("workloads", "deploy", str(request(tmp_path, "fan")))
    path = signed(tmp_path, anna)
    box.ended("workloads", "deploy", str(path))
    assert "signed by anna" in history.history(box.ledger)[-1].detail
    path.write_bytes(path.read_bytes() + b" ")
    assert box.run("workloads", "deploy", str(path)).exit_code == 65
    site.write_text("")
    box.ended("workloads", "deploy", str(path))  # without keys, FILE.sig is not read
    assert box.run("workloads", "deploy", str(path), "--signature", f"{path}.sig").exit_code == 65
    box.close()


def test_the_signature_that_is_named_must_be_there(box, tmp_path):
    assert box.run("workloads", "deploy", str(request(tmp_path)), "--signature", str(tmp_path / "none")).exit_code == 66
    result = box.run("workloads", "deploy", str(request(tmp_path)), str(request(tmp_path, "fan")), "--signature", str(tmp_path / "none"))
    assert (result.exit_code, "--signature is for one file" in result.stderr) == (2, True)


def test_who_stores_requests_looks_at_their_signatures_first():
    """A new module that stores requests must call `refuse_unsigned`, and be listed here."""
    stores = re.compile(r"\brequests\.(accept|import_bundle)\(|\bledger\.accept\(")
    doors = {str(path) for path in Path("kelvin_provision").rglob("*.py") if stores.search(path.read_text())}
    ledger, direct, planned = (
        "kelvin_provision/ledger/requests.py",
        "kelvin_provision/usecases/deploy.py",
        "kelvin_provision/usecases/bundles/importing.py",
    )
    plan = "kelvin_provision/usecases/bundles/planning.py"
    assert doors == {ledger, direct, planned}
    for path, call in ((direct, "refuse_untrusted(ctx, "), (direct, "refuse_unsigned(trust,"), (plan, "refuse_unsigned(trust,")):
        assert call in Path(path).read_text()
