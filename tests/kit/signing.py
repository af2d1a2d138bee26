"""Keys and signatures, made in this process: a child for each would take a tenth of a second."""

import base64
import json
from pathlib import Path

import pytest

from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust import child, computing
from kelvin_provision.trust.dsse import REQUEST, Entry, document, pae
from kelvin_provision.trust.public_keys import PublicKey, public_key_of_der
from kelvin_provision.trust.signing import PrivateKey


def key_pair(kind: str = "ed25519", name: str = "anna") -> tuple[PrivateKey, PublicKey]:
    answer = child.generated({"type": kind, "passphrase": ""}, b"")
    private = PrivateKey(Path(f"{name}.key"), answer["private"].encode())
    return private, public_key_of_der(base64.b64decode(answer["public"]), name)


def signature(key: PrivateKey, content: bytes, kind: str = REQUEST) -> bytes:
    """The bytes of one."""
    answer = child.signed({"private": key.pem.decode(), "passphrase": ""}, pae(kind, content))
    return base64.b64decode(answer["signature"])


def signatures(pair, content, kind=REQUEST):
    """A whole document."""
    return document([Entry(pair[1].key_id, signature(pair[0], content, kind))])


def trusting(folder: Path, *pairs: tuple[PrivateKey, PublicKey], require: tuple[str, ...] | None = None) -> TrustSettings:
    """Settings that trust these keys, which are in files of this folder."""
    paths = []
    for _, public in pairs:
        path = folder / f"{public.name}.pub"
        path.write_bytes(public.pem)
        path.chmod(0o644)
        paths.append(path)
    return TrustSettings(tuple(paths), require)


def computed_here(_module, order, **_):
    """The child's code in place of `one_shot.computed`, without a process."""
    head, _, message = order.partition(b"\n")
    document = json.loads(head)
    return json.dumps(child._TASKS[document["task"]](document, message)).encode()


@pytest.fixture
def in_this_process(monkeypatch):
    """The child's code without a process: for what is about documents and signatures."""
    monkeypatch.setattr(computing, "computed", computed_here)
