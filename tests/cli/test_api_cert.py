"""The certificate of the API at the command line."""

import json
import re
import ssl

import pytest
import segno

from kelvin_provision.cli.commands.api.cert import shown as certificate
from kelvin_provision.ledger import history
from kelvin_provision.tls import files
from kelvin_provision.tls.x509 import certificates_of_pem, pem_of_der
from tests.kit.box import Box
from tests.kit.certificates import give_certificate
from tests.kit.cli import run


@pytest.fixture
def box(copy_of):
    return copy_of(Box)


def cert(box, *words, **more):
    return box.ended("api", "cert", *words, **more)


def test_it_is_shown_with_fingerprints_names_and_days(box):
    give_certificate(box.settings.state_dir)
    leaf, authority = files.issued(box.settings.state_dir).leaf, files.authority(box.settings.state_dir).leaf
    lines = cert(box, "show").stdout.splitlines()
    assert lines[:2] == ["certificate, SHA-256", f"  {leaf.fingerprint}"]
    assert re.fullmatch(r"  valid until \d{4}-\d\d-\d\d, (389|390) days left", lines[2])
    assert lines[3] == f"  for {', '.join(leaf.names)}"
    assert lines[4:6] == ["authority, SHA-256", f"  {authority.fingerprint}"]
    assert len(lines) == 7, "it listens on this box only: there is no address for others, and no QR code of one"
    document = json.loads(cert(box, "show", "--json").stdout)
    assert set(document) == {"schema", "certificate", "authority", "path", "missing", "urls"}
    assert document["certificate"]["fingerprint"] == leaf.fingerprint
    assert (document["missing"], document["urls"]) == ([], [])


def test_the_authority_is_printed_for_a_file(box):
    give_certificate(box.settings.state_dir)
    authority = files.authority(box.settings.state_dir).leaf
    printed = cert(box, "export-ca").stdout
    assert printed == pem_of_der(authority.der).decode()
    assert certificates_of_pem(printed.encode()) == (authority,)
    assert json.loads(cert(box, "export-ca", "--json").stdout)["pem"] == printed
    ssl.create_default_context(cadata=printed)


def test_without_one_the_commands_say_how_to_make_it(box):
    for word in ("show", "export-ca"):
        result = cert(box, word, code=66)
        assert result.stderr.endswith(" hint: make one now: kelvin-provision api cert renew\n")


@pytest.mark.slow
def test_a_new_one_is_made_and_is_in_the_history(box):
    cert(box, "renew")
    first = files.issued(box.settings.state_dir)
    result = cert(box, "renew")
    second = files.issued(box.settings.state_dir)
    assert result.stdout.splitlines()[0].startswith(f"certificate {second.leaf.fingerprint}: made, valid until ")
    assert second.certificates[1] == first.certificates[1]
    refused = box.run("api", "cert", "renew", "--authority")
    assert (refused.exit_code, "every client that trusts the authority" in refused.stderr) == (2, True)
    cert(box, "renew", "--authority", "--yes")
    assert files.authority(box.settings.state_dir).leaf != first.certificates[1]
    details = [line.detail for line in history.history(box.ledger)]
    assert [detail.partition(";")[0] for detail in details] == [
        "a certificate and an authority: renewed by hand",
        "a certificate: renewed by hand",
        "a certificate and an authority: renewed by hand",
    ]
    assert details[1].endswith(f"SHA-256 {second.leaf.fingerprint}")


def test_a_damaged_authority_is_named_with_what_to_do(box):
    give_certificate(box.settings.state_dir)
    path = files.folder(box.settings.state_dir) / files.AUTHORITY
    path.write_text("gone")
    result = cert(box, "show", code=78)
    assert result.stderr == f"error: {path}: no certificate in the file\n hint: kelvin-provision api cert renew --authority\n"


def test_files_of_the_site_are_shown_and_not_renewed(box, tmp_path):
    give_certificate(tmp_path / "other")
    path = tmp_path / "other" / files.FOLDER / files.SERVER
    site = tmp_path / "site.yaml"
    site.write_text(f"api: {{tls: {{cert: {path}}}, names: [pump.example], listen: [192.0.2.7:443]}}\n")
    words = ("--config", str(site), "--state-dir", str(tmp_path / "state"))
    document = json.loads(run("api", "cert", "show", "--json", *words).stdout)
    assert (document["authority"], document["missing"]) == (None, ["pump.example"])
    assert (document["path"], document["urls"]) == (str(path), ["https://192.0.2.7"])
    assert "  not for pump.example\n" in run("api", "cert", "show", *words).stdout
    assert run("api", "cert", "renew", *words).exit_code == 2
    path.unlink()
    missing = run("api", "cert", "show", *words)
    assert (missing.exit_code, missing.stderr.splitlines()[0]) == (78, f"error: {path}: no such file")


def test_a_qr_code_has_the_modules_of_the_address(monkeypatch):
    url = "https://192.0.2.7"
    matrix = segno.make(url, micro=False, error="m", boost_error=False).matrix
    drawn = [line.text for line in certificate.qr_code(url, encoding="utf-8", width=80)]
    halves = {" ": (0, 0), "▄": (0, 1), "▀": (1, 0), "█": (1, 1)}
    rows = [[halves[char][half] for char in line] for line in drawn for half in (0, 1)]
    inside = [row[2:-2] for row in rows[2 : 2 + len(matrix)]]
    assert [[1 - light for light in row] for row in inside] == [list(row) for row in matrix]
    assert all(rows[0]), "light all around"
    assert certificate.qr_code(url, encoding="utf-8", width=20) == certificate.qr_code(url, encoding="ascii", width=80) == ()


def test_a_terminal_gets_the_qr_code_of_the_address_for_others(box, tmp_path, monkeypatch):
    give_certificate(box.settings.state_dir)
    site = tmp_path / "site.yaml"
    site.write_text("api: {listen: [127.0.0.1:30000, 192.0.2.7:443]}\n")
    monkeypatch.setenv("COLUMNS", "120")
    words = ("api", "cert", "show", "--config", str(site), "--state-dir", str(box.settings.state_dir))
    told = run(*words, terminal=True).stdout
    assert "https://192.0.2.7\n" in told
    assert "█▀" in told
    assert "█" not in run(*words).stdout
