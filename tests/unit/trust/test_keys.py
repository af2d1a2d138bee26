"""Public keys, and the files of trust.keys: which are accepted, and the reason for each that is refused."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from kelvin_provision.errors import (
    KeyInvalid,
    TrustedKeyInvalid,
)
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.public_keys import InvalidKey, public_key_of_der, public_key_of_pem
from kelvin_provision.trust.signing import PrivateKey, public_key_of
from kelvin_provision.trust.trusted import trusted_keys

CONTENT = b'{"name": "pump"}'


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
