"""Signatures: what is signed, who is believed, and what is refused."""

import base64
import hashlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from kelvin_provision.errors import (
    ExpectedOther,
    KeyInvalid,
    OurBug,
    SignatureInvalid,
    SignatureMissing,
    SignerUnknown,
    SigningFailed,
    TrustedKeyInvalid,
)
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust import child, computing
from kelvin_provision.trust.dsse import BUNDLE, REQUEST, Entry, document, entries_of, joined, pae
from kelvin_provision.trust.policy import required
from kelvin_provision.trust.public_keys import InvalidKey, public_key_of_der, public_key_of_pem
from kelvin_provision.trust.signing import PrivateKey, SignCommand, public_key_of, sign
from kelvin_provision.trust.trusted import trusted_keys
from kelvin_provision.trust.verifying import Signer, refuse_other, verify
from tests.kit.signing import key_pair, signature, trusting

CONTENT = b'{"name": "pump"}'


@pytest.fixture(scope="module")
def anna():
    return key_pair()


@pytest.fixture(scope="module")
def bert():
    return key_pair("p256", "bert")


@pytest.fixture
def site(tmp_path, anna, bert):
    """Settings that trust both."""
    return trusting(tmp_path, anna, bert)


@pytest.fixture
def in_this_process(monkeypatch):
    """The child's code without a process: for what is about the documents."""

    def computed(_module, order, **_):
        head, _, message = order.partition(b"\n")
        order = json.loads(head)
        return json.dumps(child._TASKS[order["task"]](order, message)).encode()

    monkeypatch.setattr(computing, "computed", computed)


def test_what_is_signed_has_the_type_and_the_lengths():
    assert pae("http://example.com/HelloWorld", b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@pytest.mark.slow
def test_a_signature_of_a_trusted_key_is_believed_by_a_real_child(site, anna, bert):
    entries = [sign(REQUEST, CONTENT, anna[0]), sign(REQUEST, CONTENT, bert[0])]
    verified = verify(REQUEST, CONTENT, document(entries), site)
    assert [signer.name for signer in verified.signers] == ["anna", "bert"]
    assert verified.unknown == 0
    with pytest.raises(SignatureInvalid, match="the signature of anna"):
        verify(REQUEST, CONTENT + b" ", document(entries), site)


@pytest.mark.parametrize("who", ["anna", "bert"])
def test_each_type_of_key_signs_exactly_these_bytes_as_this_type(who, site, request, in_this_process):
    key, public = request.getfixturevalue(who)
    good = document([Entry(public.key_id, signature(key, CONTENT))])
    assert verify(REQUEST, CONTENT, good, site).signers == (Signer(public.key_id, who),)
    for altered in (CONTENT[:-1], CONTENT + b"\n", CONTENT.replace(b"p", b"q"), b""):
        with pytest.raises(SignatureInvalid):
            verify(REQUEST, altered, good, site)
    with pytest.raises(SignatureInvalid):
        verify(BUNDLE, CONTENT, good, site)
    for at in (0, 20, -1):
        wrong = bytearray(signature(key, CONTENT))
        wrong[at] ^= 1
        with pytest.raises(SignatureInvalid):
            verify(REQUEST, CONTENT, document([Entry(public.key_id, bytes(wrong))]), site)


def test_a_key_counts_once_however_often_it_signs(site, anna, bert, in_this_process):
    key, public = anna
    stranger, other = key_pair(name="mallory")
    entries = [Entry(public.key_id, signature(key, CONTENT))] * 3 + [Entry(other.key_id, signature(stranger, CONTENT))]
    verified = verify(REQUEST, CONTENT, document(entries), site)
    assert (len(verified.signers), verified.unknown) == (1, 1)


def test_a_stranger_is_not_believed_under_any_name(site, anna, in_this_process):
    key, public = key_pair(name="mallory")
    with pytest.raises(SignerUnknown, match="not one of the trusted keys"):
        verify(REQUEST, CONTENT, document([Entry(public.key_id, signature(key, CONTENT))]), site)
    with pytest.raises(SignatureInvalid):
        verify(REQUEST, CONTENT, document([Entry(anna[1].key_id, signature(key, CONTENT))]), site)


def test_without_keys_nothing_is_believed(anna):
    with pytest.raises(SignerUnknown, match="no trusted keys"):
        verify(REQUEST, CONTENT, document([Entry(anna[1].key_id, b"x" * 64)]), TrustSettings())


@pytest.mark.parametrize("data", [b"", b" \n ", b"[]", b" []" + b" " * 16_000])
def test_no_signature_is_missing(site, data):
    with pytest.raises(SignatureMissing):
        verify(REQUEST, CONTENT, data, site)


KEY_ID, SIG = "a" * 64, base64.b64encode(bytes(64)).decode()


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[[]]",
        b"null",
        b"[" * 10_000,
        b"\xff\xfe",
        b"9" * 9_000,
        f'[{{"keyid": "{KEY_ID}"}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": "{SIG}", "alg": "none"}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": "{SIG}", "sig": "{SIG}"}}]',
        f'[{{"keyid": "", "sig": "{SIG}"}}]',
        f'[{{"keyid": "{KEY_ID.upper()}", "sig": "{SIG}"}}]',
        f'[{{"keyid": "{KEY_ID}\\n", "sig": "{SIG}"}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": 7}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": ""}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": "{SIG}\\n"}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": "{SIG.rstrip("=")}"}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": "{SIG[:-3]}B=="}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": "{"A" * 12_000}"}}]',
        f'[{{"keyid": "{KEY_ID}", "sig": "{SIG}"}}] []',
        json.dumps([{"keyid": KEY_ID, "sig": SIG}] * 33),
        json.dumps([{"keyid": KEY_ID, "sig": SIG}] * 10_000),
        json.dumps([{"keyid": KEY_ID, "sig": "A" * 1_000_000}]),
    ],
    ids=lambda data: str(data[:40]),
)
def test_a_document_that_is_not_exactly_one_is_refused(data):
    with pytest.raises(SignatureInvalid):
        entries_of(data if isinstance(data, bytes) else data.encode())


def test_a_fuzzed_document_is_read_or_refused():
    good = document([Entry(KEY_ID, bytes(64)), Entry("b" * 64, bytes(70))])
    chance = random.Random(14)  # noqa: S311
    for _ in range(2_000):
        data = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            data[at : at + chance.randint(0, 3)] = (
                chance.randbytes(chance.randint(0, 3))
                if chance.random() < 0.5
                else chance.choice([b"[", b"]", b"{", b"}", b'"', b",", b"\\u0000", b"1e999", b"null", b"=", b"\n"])
            )
        try:
            entries = entries_of(bytes(data))
        except SignatureInvalid:
            continue
        assert len(entries) <= 2
        assert entries_of(document(entries)) == entries


def test_a_new_signature_takes_the_place_of_the_one_of_the_same_key():
    first, second = Entry("a" * 64, b"1"), Entry("b" * 64, b"2")
    assert joined([first, second], Entry("a" * 64, b"3")) == (second, Entry("a" * 64, b"3"))


# --- keys -------------------------------------------------------------------------------------------


def der(*parts):
    return b"".join(bytes.fromhex(part) if isinstance(part, str) else part for part in parts)


ED = "302a300506032b6570032100"
P256 = "3059301306072a8648ce3d020106082a8648ce3d030107034200"


def test_a_key_id_is_the_digest_of_its_encoding(anna):
    assert anna[1].key_id == hashlib.sha256(anna[1].der).hexdigest()
    assert public_key_of_pem(anna[1].pem, "anna") == anna[1]


def small_order():
    p = 2**255 - 19
    y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
    return [value | sign << 255 for value in (0, 1, p - 1, p, p + 1, y, p - y) for sign in (0, 1)]


@pytest.mark.parametrize("point", small_order())
def test_a_weak_key_is_refused(point):
    with pytest.raises(InvalidKey, match="weak"):
        public_key_of_der(der(ED, point.to_bytes(32, "little")))


@pytest.mark.parametrize("point", [bytes(64), b"\xff" * 64, b"\x01" * 64])
def test_a_point_off_the_curve_is_refused(point):
    with pytest.raises(InvalidKey, match="not on P-256"):
        public_key_of_der(der(P256, b"\x04", point))


def other_keys():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa, x25519

    keys = {
        "an RSA key": rsa.generate_private_key(65537, 1024),  # noqa: S505
        "an ECDSA P-384 key": ec.generate_private_key(ec.SECP384R1()),
        "an ECDSA secp256k1 key": ec.generate_private_key(ec.SECP256K1()),
        "an Ed448 key": ed448.Ed448PrivateKey.generate(),
        "an X25519 key": x25519.X25519PrivateKey.generate(),
        "a DSA key": dsa.generate_private_key(1024),  # noqa: S505
    }
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    for name, key in keys.items():
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        yield name, private, key.public_key().public_bytes(serialization.Encoding.PEM, info)


def test_every_other_key_is_refused_by_its_name(in_this_process):
    for name, private, public in other_keys():
        with pytest.raises(InvalidKey, match=name):
            public_key_of_pem(public)
        with pytest.raises(KeyInvalid, match=name if "RSA" not in name and "DSA key" not in name else "RSA|DSA|sign"):
            public_key_of(PrivateKey(Path("k"), private))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not a public key"),
        (b"-----BEGIN RSA PUBLIC KEY-----\nMIGJ\n-----END RSA PUBLIC KEY-----\n", "an RSA key"),
        (b"-----BEGIN CERTIFICATE-----\nMIGJ\n-----END CERTIFICATE-----\n", "a certificate"),
        (b"-----BEGIN PUBLIC KEY-----\nMIGJ*\n-----END PUBLIC KEY-----\n", "not a public key"),
        (b"-----BEGIN PUBLIC KEY-----\nMIG\n-----END PUBLIC KEY-----\n", "invalid base64"),
        (b"-----BEGIN PUBLIC KEY-----\nMIGJ\n-----END PUBLIC KEY-----\n", "an unknown type"),
        (b"-----BEGIN PRIVATE KEY-----\nMIGJ\n-----END PRIVATE KEY-----\n", "a private key"),
        (b"x" * 20_000, "more than"),
    ],
)
def test_what_is_no_public_key_is_refused(text, reason):
    with pytest.raises(InvalidKey, match=reason):
        public_key_of_pem(text)


def test_two_keys_in_a_file_are_refused(anna, bert):
    with pytest.raises(InvalidKey, match="2 keys"):
        public_key_of_pem(anna[1].pem + bert[1].pem)


def group_writable(path, folder):
    path.chmod(0o664)


def world_writable(path, folder):
    path.chmod(0o646)


def in_a_folder_of_all(path, folder):
    folder.chmod(0o777)


def link(path, folder):
    path.rename(folder / "real")
    path.symlink_to(folder / "real")


def fifo(path, folder):
    path.unlink()
    os.mkfifo(path)


def directory(path, folder):
    path.unlink()
    path.mkdir()


def missing(path, folder):
    path.unlink()


def of_another(path, folder):
    os.chown(path, 12345, 12345)


@pytest.mark.parametrize(
    ("spoil", "reason", "hint"),
    [
        (group_writable, "other users can write to it", "chmod go-w"),
        (world_writable, "other users can write to it", "chmod go-w"),
        (in_a_folder_of_all, "other users can write to it", "chmod go-w"),
        (link, "it is a link", "readlink -f"),
        (fifo, "not a regular file", "config show"),
        (directory, "not a regular file", "config show"),
        (missing, "no such file", "config show"),
        pytest.param(
            of_another, "belongs to another user", "chown root:", marks=pytest.mark.skipif(os.getuid() != 0, reason="needs root for chown")
        ),
    ],
)
def test_a_key_file_that_others_may_have_written_stops_everything(spoil, reason, hint, tmp_path, site):
    from kelvin_provision.hints import pasted

    assert len(trusted_keys(site)) == 2
    spoil(site.keys[0], tmp_path)
    with pytest.raises(TrustedKeyInvalid, match=reason) as refused:
        trusted_keys(site)
    assert hint in pasted(refused.value.hint)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root for a device")
def test_a_device_is_no_key(tmp_path):
    path = tmp_path / "zero"
    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    with pytest.raises(TrustedKeyInvalid, match="not a regular file"):
        trusted_keys(TrustSettings(keys=(path,)))


def test_the_same_key_in_two_files_is_one(tmp_path, site, anna):
    (tmp_path / "again.pem").write_bytes(anna[1].pem)
    keys = trusted_keys(TrustSettings(keys=(*site.keys, tmp_path / "again.pem")))
    assert [key.name for key in keys] == ["anna", "bert"]


# --- what is required -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "setting", "bundle", "request_"),
    [
        ((), None, False, False),
        ((Path("/k"),), None, True, False),
        ((Path("/k"),), (), False, False),
        ((Path("/k"),), ("request",), False, True),
        ((Path("/k"),), ("bundle", "request"), True, True),
    ],
)
def test_bundles_must_be_signed_as_soon_as_there_are_keys(keys, setting, bundle, request_):
    settings = TrustSettings(keys, setting)
    assert (required(settings, "bundle"), required(settings, "request")) == (bundle, request_)


def test_a_digest_that_was_read_out_is_compared():
    digest = f"sha256:{'ab' * 32}"
    for same in (digest, digest.upper(), f" {digest}\n", "ab" * 32):
        refuse_other(same, digest)
    for other in ("", "sha256:", digest[:-1], digest[:-1] + "c", "sha512:" + "ab" * 32, "ä"):
        with pytest.raises(ExpectedOther):
            refuse_other(other, digest)


# --- the child --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", ["raise SystemExit(0)", "print('[]')", "print('{\"fits\": []}')", "import os; os.kill(os.getpid(), 9)", "1/0"]
)
def test_a_child_that_does_not_answer_has_verified_nothing(code, site, anna, monkeypatch):
    from kelvin_provision.files import one_shot

    monkeypatch.setattr(one_shot, "own_process", lambda _: [sys.executable, "-S", "-c", code])
    with pytest.raises(OurBug, match="check a signature"):
        verify(REQUEST, CONTENT, document([Entry(anna[1].key_id, signature(anna[0], CONTENT))]), site)


def test_a_command_that_signs_is_checked(anna, in_this_process):
    with pytest.raises(SigningFailed, match="is not a signature by anna"):
        sign(REQUEST, CONTENT, SignCommand(("head", "-c", "64"), anna[1]))
    for words, reason in [
        (("true",), "answered nothing"),
        (("cat",), "is not a signature"),
        (("false",), "exit code 1"),
        (("/nonexistent",), "no such file"),
        (("head", "-c", "1000", "/dev/zero"), "more than 128 bytes"),
        (("yes",), "more than 128 bytes"),
    ]:
        with pytest.raises(SigningFailed, match=reason):
            sign(REQUEST, CONTENT, SignCommand(words, anna[1]))


@pytest.mark.slow
def test_a_child_that_is_killed_in_the_middle_has_verified_nothing(site, anna):
    """By its pid, as soon as it is there."""
    good = document([Entry(anna[1].key_id, signature(anna[0], CONTENT))])
    ended = threading.Event()

    def kill():
        while not ended.is_set():
            for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
                with suppress(OSError, ValueError):
                    for pid in map(int, path.read_text().split()):
                        if b"kelvin_provision.trust.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(OurBug, match="ended by signal 9"):
            verify(REQUEST, CONTENT, good, site)
    finally:
        ended.set()
        killer.join()
    assert verify(REQUEST, CONTENT, good, site).signers


@pytest.mark.slow
def test_the_largest_content_with_the_most_signatures_takes_bounded_memory_and_time(tmp_path, anna):
    """32 signatures, each over 16 MiB; in a process of its own, which says what it and its child took."""
    content = bytes(16 << 20)
    good = document([Entry(anna[1].key_id, signature(anna[0], content))] * 32)
    (tmp_path / "signatures").write_bytes(good.replace(b" ", b"").replace(b"\n", b""))
    settings = trusting(tmp_path, anna)
    code = f"""
import re, resource, time
from pathlib import Path
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.verifying import verify
began = time.monotonic()
assert len(verify({REQUEST!r}, bytes(16 << 20), Path({str(tmp_path / "signatures")!r}).read_bytes(), TrustSettings((Path({str(settings.keys[0])!r}),))).signers) == 1
own = re.search("VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]  # that of getrusage has what pytest took
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, own, time.monotonic() - began)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    child_memory, own, seconds = map(float, done.stdout.split())
    assert child_memory < 96 * 1024
    assert own < 128 * 1024
    assert seconds < 30


def test_content_that_is_too_large_starts_no_child(site, anna, monkeypatch):
    monkeypatch.setattr(computing, "ask", None)
    with pytest.raises(SignatureInvalid, match="at most 16777216"):
        verify(REQUEST, bytes((16 << 20) + 1), document([Entry(anna[1].key_id, b"x" * 64)]), site)


@pytest.mark.slow
def test_the_child_is_bounded_by_the_kernel_and_leaves_no_core():
    code = (
        "import resource\nfrom kelvin_provision.trust import child\nchild._limit()\n"
        "print([resource.getrlimit(kind) for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_CORE)])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str([(child.MEMORY,) * 2, (child.PROCESSOR,) * 2, (0, 0)])


def test_a_command_that_signs_is_not_waited_for_without_end(anna):
    with pytest.raises(SigningFailed, match="did not answer"):
        sign(REQUEST, CONTENT, SignCommand(("sleep", "60"), anna[1], timeout=0.2))
