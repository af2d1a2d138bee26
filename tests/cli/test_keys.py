"""`key generate|show|sign|verify`, beside Debian's openssl in both directions."""

import base64
import json
import os
import shutil
import subprocess
import sys

import pytest

from kelvin_provision.trust.dsse import REQUEST, pae
from tests.kit.cli import run
from tests.kit.signing import key_pair, signatures

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@pytest.fixture(autouse=True)
def desk(tmp_path, monkeypatch):
    """A folder with a request, and no settings at all."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "site.yaml"))
    (tmp_path / "motor.json").write_text('{"name": "motor"}')
    (tmp_path / "secret.txt").write_text("a long passphrase\nanother line\n")


def failed(*words, code, exit_code=65, **more):
    result = run(*words, "--json", **more)
    error = json.loads(result.stdout)["error"]
    assert (error["code"], result.exit_code) == (code, exit_code), error
    return error


def openssl(*words, **more):
    return subprocess.run(["openssl", *words], check=True, capture_output=True, **more).stdout


@pytest.mark.slow
@needs_openssl
@pytest.mark.parametrize("kind", ["ed25519", "p256"])
@pytest.mark.parametrize("protected", [False, True])
def test_openssl_reads_our_keys_and_verifies_what_we_signed(kind, protected, tmp_path):
    secret = ["--passphrase-file", "secret.txt"] if protected else []
    run("key", "generate", "anna", "--type", kind, *secret).check(stderr="")
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("anna.key", "anna.pub")] == [0o600, 0o644]
    given = ["-passin", "file:secret.txt"] if protected else []
    assert openssl("pkey", "-in", "anna.key", "-pubout", *given) == (tmp_path / "anna.pub").read_bytes()
    run("key", "sign", "motor.json", "--key", "anna.key", *secret).check(stderr="")
    (entry,) = json.loads((tmp_path / "motor.json.sig").read_text())
    (tmp_path / "pae").write_bytes(pae(REQUEST, (tmp_path / "motor.json").read_bytes()))
    (tmp_path / "raw").write_bytes(base64.b64decode(entry["sig"]))
    digest = ["-digest", "sha256"] if kind == "p256" else []
    assert b"Successfully" in openssl(
        "pkeyutl", "-verify", "-pubin", "-inkey", "anna.pub", "-rawin", "-in", "pae", "-sigfile", "raw", *digest
    )
    shown = json.loads(run("key", "show", "anna.key", *secret, "--json").stdout)
    assert (shown["key_id"], shown["type"], shown["protected"]) == (entry["keyid"], kind, protected)
    result = run("key", "verify", "motor.json", "--key", "anna.pub")
    assert f"verified, signed by anna ({entry['keyid'][:12]})" in result.stdout


@pytest.mark.slow
@needs_openssl
@pytest.mark.parametrize(
    ("make", "command"),
    [
        (["-algorithm", "ed25519"], "openssl pkeyutl -sign -inkey 'my key' -rawin -in /dev/stdin"),
        (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "openssl dgst -sha256 -sign 'my key'"),
        (
            ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            "openssl pkeyutl -sign -inkey 'my key' -rawin -digest sha256 -in /dev/stdin",
        ),
    ],
)
def test_openssl_signs_and_we_verify(make, command, tmp_path):
    (tmp_path / "my key").write_bytes(openssl("genpkey", *make))
    (tmp_path / "anna.pub").write_bytes(openssl("pkey", "-in", "my key", "-pubout"))
    run("key", "sign", "motor.json", "--sign-with", command, "--key", "anna.pub").check(stderr="")
    run("key", "verify", "motor.json", "--key", "anna.pub").check(stderr="")
    other = key_pair(name="bert")[1]
    (tmp_path / "bert.pub").write_bytes(other.pem)
    error = failed("key", "sign", "motor.json", "--sign-with", command, "--key", "bert.pub", code="signing-failed", exit_code=69)
    assert "is not a signature by bert" in error["message"]


@pytest.mark.slow
@needs_openssl
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "an RSA key"),
        (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "an ECDSA P-384 key"),
        (["-algorithm", "ed448"], "an Ed448 key"),
    ],
)
def test_another_type_of_key_is_refused_by_name(make, name, tmp_path):
    (tmp_path / "k.key").write_bytes(openssl("genpkey", *make))
    (tmp_path / "k.key").chmod(0o600)
    (tmp_path / "k.pub").write_bytes(openssl("pkey", "-in", "k.key", "-pubout"))
    for words in (
        ["show", "k.pub"],
        ["show", "k.key"],
        ["sign", "motor.json", "--key", "k.key"],
        ["verify", "motor.json", "--key", "k.pub"],
    ):
        error = failed("key", *words, code="key-invalid")
        assert name in error["message"] or "it does not sign" in error["message"]
    assert not (tmp_path / "motor.json.sig").exists()


def written(tmp_path, pair):
    for name, data in ((f"{pair[1].name}.key", pair[0].pem), (f"{pair[1].name}.pub", pair[1].pem)):
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
    return pair


def test_a_private_key_that_others_can_read_is_refused_with_the_command_that_mends_it(tmp_path):
    written(tmp_path, key_pair())
    for mode in (0o640, 0o604, 0o660):
        (tmp_path / "anna.key").chmod(mode)
        error = failed("key", "sign", "motor.json", "--key", "anna.key", code="key-invalid")
        assert (f"mode {mode:04o}" in error["message"], error["hint"]) == (True, "chmod 600 anna.key")
    subprocess.run(error["hint"].split(), check=True)
    run("key", "sign", "motor.json", "--key", "anna.key").check(stderr="")


@pytest.mark.parametrize("name", ["anna.key", "anna.pub"])
@pytest.mark.parametrize("link", [False, True])
def test_a_key_is_never_overwritten(name, link, tmp_path):
    if link:
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    else:
        (tmp_path / name).write_text("precious")
    failed("key", "generate", "anna", code="cannot-write", exit_code=73)
    assert sorted(path.name for path in tmp_path.glob("anna*")) == [name]
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.slow
def test_a_passphrase_is_asked_for_by_file_or_terminal_and_is_in_no_process_list(tmp_path):
    run("key", "generate", "anna", "--passphrase-file", "secret.txt").check(stderr="")
    error = failed("key", "sign", "motor.json", "--key", "anna.key", code="key-invalid")
    assert error["hint"] == "add --passphrase-file FILE"
    (tmp_path / "wrong.txt").write_text("wrong")
    assert (
        "wrong passphrase"
        in failed("key", "sign", "motor.json", "--key", "anna.key", "--passphrase-file", "wrong.txt", code="key-invalid")["message"]
    )
    (tmp_path / "empty.txt").write_text("\n")
    failed("key", "sign", "motor.json", "--key", "anna.key", "--passphrase-file", "empty.txt", code="usage", exit_code=2)
    failed("key", "sign", "motor.json", "--key", "anna.key", "--passphrase-file", "none.txt", code="file-unreadable", exit_code=66)
    run("key", "sign", "motor.json", "--key", "anna.key", "--passphrase-file", "secret.txt").check(stderr="")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_no_key_and_no_request(make, tmp_path):
    make(tmp_path / "odd")
    for words in (["show", "odd"], ["sign", "motor.json", "--key", "odd"], ["verify", "motor.json", "--key", "odd"]):
        assert "not a regular file" in failed("key", *words, code="key-invalid")["message"]
    written(tmp_path, key_pair())
    failed("key", "sign", "odd", "--key", "anna.key", code="file-unreadable", exit_code=66)
    failed("key", "verify", "odd", "--key", "anna.pub", code="file-unreadable", exit_code=66)


@pytest.mark.slow
def test_a_second_person_signs_beside_the_first(tmp_path):
    anna, bert = written(tmp_path, key_pair()), written(tmp_path, key_pair("p256", "bert"))
    for who in ("anna", "bert", "anna"):
        run("key", "sign", "motor.json", "--key", f"{who}.key").check(stderr="")
    result = run("key", "verify", "motor.json", "--key", "anna.pub", "--key", "bert.pub", "--json")
    assert [signer["name"] for signer in json.loads(result.stdout)["signers"]] == ["bert", "anna"]
    assert "and with 1 unknown key" in run("key", "verify", "motor.json", "--key", "anna.pub").stdout
    # The file is changed, and only anna signs it again: the signature of bert is wrong now, and the error names it.
    (tmp_path / "motor.json").write_text("{}")
    run("key", "sign", "motor.json", "--key", "anna.key").check(stderr="")
    assert (
        "signature of bert"
        in failed("key", "verify", "motor.json", "--key", "anna.pub", "--key", "bert.pub", code="signature-invalid")["message"]
    )
    run("key", "sign", "motor.json", "--key", "anna.key", "--replace").check(stderr="")
    run("key", "verify", "motor.json", "--key", "anna.pub", "--key", "bert.pub").check(stderr="")
    assert anna[1].key_id != bert[1].key_id


def test_verify_takes_the_keys_of_the_box_and_says_what_is_missing(tmp_path):
    pair = written(tmp_path, key_pair())
    assert failed("key", "verify", "motor.json", code="signature-missing")["message"] == "there is no motor.json.sig"
    (tmp_path / "motor.json.sig").write_bytes(signatures(pair, b'{"name": "motor"}'))
    assert "trust.keys" in failed("key", "verify", "motor.json", code="signer-unknown")["hint"]
    (tmp_path / "site.yaml").write_text(f"trust: {{keys: [{tmp_path}/anna.pub]}}\n")
    run("key", "verify", "motor.json").check(stderr="")
    (tmp_path / "site.yaml").write_text(f"trust: {{keys: [{tmp_path}/motor.json]}}\n")
    failed("key", "verify", "motor.json", code="trusted-key-invalid", exit_code=78)


def test_a_document_that_is_full_or_damaged_is_not_signed_into(tmp_path):
    written(tmp_path, key_pair())
    full = [{"keyid": f"{number:064x}", "sig": "AAAA"} for number in range(32)]
    for damaged in (json.dumps(full).encode(), b"garbage", b"[" * 20_000):
        (tmp_path / "motor.json.sig").write_bytes(damaged)
        failed("key", "sign", "motor.json", "--key", "anna.key", code="signature-invalid")
        assert (tmp_path / "motor.json.sig").read_bytes() == damaged


@pytest.mark.parametrize(
    "words", [["--sign-with", "cat"], [], ["--sign-with", "'", "--key", "anna.pub"], ["--sign-with", "", "--key", "anna.pub"]]
)
def test_a_command_line_that_cannot_sign_is_a_usage_error(words, tmp_path):
    written(tmp_path, key_pair())
    failed("key", "sign", "motor.json", *words, code="usage", exit_code=2)


@pytest.mark.slow
def test_no_command_loads_cryptography():
    code = (
        "import sys\nfrom kelvin_provision.cli.main import main\n"
        "main(['key', 'generate', 'anna'])\nmain(['key', 'sign', 'motor.json', '--key', 'anna.key'])\n"
        "main(['key', 'verify', 'motor.json', '--key', 'anna.pub'])\nassert 'cryptography' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
