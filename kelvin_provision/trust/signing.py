"""Makes a signature: with a key file, or with a command that has the key, such as a token or an HSM."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from pathlib import Path

from kelvin_provision.errors import KeyInvalid, SigningFailed
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.hints import command
from kelvin_provision.trust.computing import ask, fitting, refuse_larger
from kelvin_provision.trust.dsse import LARGEST_SIGNATURE, Entry, pae
from kelvin_provision.trust.public_keys import InvalidKey, PublicKey, public_key_of_der

TIMEOUT = 120.0
"""Seconds for a command that signs by default: it may wait for a person to touch a token."""


@dataclass(frozen=True)
class PrivateKey:
    """A PEM (PKCS#8). `path` is for messages."""

    path: Path
    pem: bytes
    passphrase: str = ""


@dataclass(frozen=True)
class SignCommand:
    """It gets what is signed on standard input and answers with the signature alone. `public` is the key it has."""

    words: tuple[str, ...]
    public: PublicKey
    timeout: float = TIMEOUT


def sign(payload_type: str, payload: bytes, key: PrivateKey | SignCommand) -> Entry:
    """A signature over exactly these bytes, as this type.

    Raises KeyInvalid, SigningFailed, SignatureInvalid for more bytes than can be signed, Locked, ApiMissing.
    """
    refuse_larger(payload)
    if isinstance(key, SignCommand):
        return _by_command(payload_type, payload, key)
    order = {"private": _text(key), "passphrase": key.passphrase}
    answer = _accepted(key, ask("sign", order, pae(payload_type, payload), purpose="make a signature"))
    return Entry(_public(key, answer).key_id, base64.b64decode(answer["signature"]))


def public_key_of(key: PrivateKey, name: str = "") -> PublicKey:
    """Raises KeyInvalid, Locked, ApiMissing."""
    order = {"private": _text(key), "passphrase": key.passphrase}
    return _public(key, _accepted(key, ask("show", order, purpose="read a key")), name)


def _text(key: PrivateKey) -> str:
    try:
        return key.pem.decode("ascii")
    except UnicodeDecodeError:
        raise KeyInvalid(f"{key.path}: it is not a private key in PEM (PKCS#8)") from None


def _accepted(key: PrivateKey, answer: dict[str, str]) -> dict[str, str]:
    if "refused" in answer:
        hint = "give the passphrase with --passphrase-file FILE" if "passphrase" in answer["refused"] else ""
        raise KeyInvalid(f"{key.path}: {answer['refused']}", hint=hint)
    return answer


def _public(key: PrivateKey, answer: dict[str, str], name: str = "") -> PublicKey:
    try:
        return public_key_of_der(base64.b64decode(answer["public"]), name)
    except InvalidKey as error:
        raise KeyInvalid(f"{key.path}: {error}") from error


def _by_command(payload_type: str, payload: bytes, by: SignCommand) -> Entry:
    signature = _answer(by, pae(payload_type, payload))
    if not signature:
        raise SigningFailed(f"{by.words[0]} answered nothing")
    (fits,) = fitting(payload_type, payload, [(by.public, signature)])
    if not fits:
        hint = command("key show", "FILE", instruction="--key must be the public key of the command; look at it")
        raise SigningFailed(f"what {by.words[0]} answered is not a signature by {by.public.text}", hint=hint)
    return Entry(by.public.key_id, signature)


def _answer(by: SignCommand, message: bytes) -> bytes:
    """Its errors go to the terminal: it may say that a token is to be touched.

    Standard input is a file in memory and no pipe: `openssl pkeyutl` asks for its size. No more of the answer is read than a signature has.
    """
    try:
        with os.fdopen(os.memfd_create("what is signed"), "w+b") as file:
            file.write(message)
            file.seek(0)
            return _ended(by, subprocess.Popen(by.words, stdin=file, stdout=subprocess.PIPE))
    except OSError as error:
        raise SigningFailed(f"{by.words[0]}: {(error.strerror or 'cannot be run').lower()}") from error


def _ended(by: SignCommand, child: subprocess.Popen[bytes]) -> bytes:
    name, late = by.words[0], threading.Event()

    def end() -> None:
        late.set()
        child.kill()

    timer = threading.Timer(by.timeout, end)
    timer.start()
    try:
        with child:
            assert child.stdout is not None  # noqa: S101  (a pipe was asked for)
            answer = child.stdout.read(LARGEST_SIGNATURE + 1)
            child.stdout.close()  # who writes on is told that there is no reader
    except BaseException:
        child.kill()
        raise
    finally:
        timer.cancel()
    if late.is_set():
        raise SigningFailed(f"{name} did not answer within {by.timeout:.0f} s")
    if len(answer) > LARGEST_SIGNATURE:
        raise SigningFailed(f"{name} answered more than {LARGEST_SIGNATURE} bytes, which is not a signature")
    if child.returncode:
        raise SigningFailed(f"{name} ended with exit code {child.returncode}")
    return answer
