"""Where the certificate of the API is, and its authority: two files, each with a key and certificates, each written as a whole.

A power cut leaves an old pair or a new one, never the key of one with the certificate of another.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kelvin_provision.errors import CertificateUnusable
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.durable import private_folder, read_own, write_durably
from kelvin_provision.hints import Hint, command
from kelvin_provision.settings.model import TlsSettings
from kelvin_provision.tls.x509 import Certificate, InvalidCertificate, certificates_of_pem

FOLDER, AUTHORITY, SERVER, LOCK = "tls", "authority.pem", "server.pem", "lock"
LARGEST = 1 << 20


@dataclass(frozen=True)
class Chain:
    """A file with certificates, the leaf first. `key` is the file with its key."""

    path: Path
    key: Path
    certificates: tuple[Certificate, ...]

    @property
    def leaf(self) -> Certificate:
        return self.certificates[0]


def folder(state_dir: Path) -> Path:
    return private_folder(private_folder(state_dir) / FOLDER)


def authority(state_dir: Path) -> Chain | None:
    """None where there is none yet. Raises CertificateUnusable."""
    return _chain(state_dir / FOLDER / AUTHORITY, read_own, hint=command("api cert renew", "--authority"))


def issued(state_dir: Path) -> Chain | None:
    """The certificate that this box has made for itself. None where there is none, or what is there is damaged: then it is made again."""
    with suppress(CertificateUnusable):
        return _chain(state_dir / FOLDER / SERVER, read_own, hint=command("api cert renew"))
    return None


def of_site(tls: TlsSettings) -> Chain | None:
    """The files that the settings name, or None. They may be links. Raises CertificateUnusable."""
    hint = command("config show", "-o", "wide", instruction="see api.tls.cert and api.tls.key")
    if tls.cert is None:
        if tls.key is not None:
            raise CertificateUnusable("api.tls.key is set, and api.tls.cert is not", hint=hint)
        return None
    chain = _chain(tls.cert, Path.read_bytes, hint=hint)
    if chain is None:
        raise CertificateUnusable(f"{tls.cert}: no such file", hint=hint)
    return Chain(chain.path, tls.key or chain.path, chain.certificates)


def _chain(path: Path, read: Callable[[Path], bytes], *, hint: Hint) -> Chain | None:
    try:
        return Chain(path, path, certificates_of_pem(read(path)[:LARGEST]))
    except FileNotFoundError:
        return None
    except InvalidCertificate as error:
        raise CertificateUnusable(f"{path}: {error}", hint=hint) from error
    except OSError as error:
        raise CertificateUnusable(f"{path}: {(error.strerror or 'cannot be read').lower()}", hint=hint) from error


def write_pair(path: Path, key: bytes, *certificates: bytes) -> None:
    """Raises NoSpace, PermissionRefused, CannotWrite."""
    write_durably(path, [key, *certificates], mode=0o600)


def key_of(chain: Chain) -> bytes:
    """What stands before its certificates. Raises CertificateUnusable."""
    try:
        return read_own(chain.key).partition(b"-----BEGIN CERTIFICATE-----")[0]
    except OSError as error:
        raise CertificateUnusable(f"{chain.key}: {(error.strerror or 'cannot be read').lower()}") from error
