"""Signatures of images in the formats that cosign publishes, made with keys of openssl. Nothing of the program makes them."""

import base64
import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from kelvin_provision.refs import Descriptor
from kelvin_provision.registry.protocol import SignatureDocuments
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.spec.signatures import SignatureFiles
from tests.kit.images import OCI_INDEX, OCI_MANIFEST, push_blob, put_manifest, sha256

SIGSTORE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
PREDICATE = "https://sigstore.dev/cosign/sign/v1"
EMPTY = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2}


@dataclass
class OpensslKey:
    """A key in files: NAME.key and NAME.pub."""

    folder: Path
    name: str
    kind: str = "p256"

    def __post_init__(self):
        kinds = {
            "p256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            "ed25519": ["ed25519"],
            "rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        }
        self.private, self.public = self.folder / f"{self.name}.key", self.folder / f"{self.name}.pub"
        _openssl("genpkey", "-algorithm", *kinds[self.kind], "-out", self.private)
        _openssl("pkey", "-in", self.private, "-pubout", "-out", self.public)
        self.public.chmod(0o644)

    def sign(self, message):
        """As openssl does by hand: ECDSA and RSA over SHA-256, Ed25519 over the message itself."""
        path = self.folder / f"{self.name}.message"
        path.write_bytes(message)
        digest = [] if self.kind == "ed25519" else ["-digest", "sha256"]
        return _openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.private, "-in", path, *digest)

    @property
    def key_id(self):
        return hashlib.sha256(_openssl("pkey", "-pubin", "-in", self.public, "-outform", "DER")).hexdigest()


def _openssl(*words):
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, check=True, timeout=60).stdout


def text(data):
    return base64.b64encode(data).decode()


def encoded(document):
    return json.dumps(document).encode()


# --- payloads -------------------------------------------------------------------------------------------


def statement(digest, *, predicate=PREDICATE, kind="https://in-toto.io/Statement/v1", **more):
    subject = [{"digest": {"sha256": digest.removeprefix("sha256:")}}]
    return encoded({"_type": kind, "subject": subject, "predicateType": predicate, "predicate": {}, **more})


def simple(digest, *, kind="cosign container image signature"):
    image, identity = {"docker-manifest-digest": digest}, {"docker-reference": "anything/at/all"}
    return encoded({"critical": {"identity": identity, "image": image, "type": kind}, "optional": None})


def pae(payload, kind="application/vnd.in-toto+json"):
    return f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload


def envelope(key, payload, /, *, kind="application/vnd.in-toto+json", material=None, **changes):
    """A sigstore bundle with a DSSE envelope."""
    body = {"payload": text(payload), "payloadType": kind, "signatures": [{"sig": text(key.sign(pae(payload, kind)))}]}
    return bundle({"dsseEnvelope": body | changes}, material)


def message(key, content, *, algorithm="SHA2_256", material=None):
    """A sigstore bundle with a signature over the content itself."""
    digest = {"algorithm": algorithm, "digest": text(hashlib.sha256(content).digest())}
    return bundle({"messageSignature": {"messageDigest": digest, "signature": text(key.sign(content))}}, material)


def bundle(content, material=None):
    return encoded({"mediaType": SIGSTORE, "verificationMaterial": material or {"publicKey": {"hint": "x"}, "tlogEntries": []}, **content})


CERTIFICATE = {"certificate": {"rawBytes": text(b"a certificate of Fulcio")}, "tlogEntries": []}
"""What a keyless signature has in place of a key."""


# --- manifests ------------------------------------------------------------------------------------------


def referring(subject, payload, *, kind=SIGSTORE, **changes):
    """The manifest with which a sigstore bundle refers to an image."""
    layer = {"mediaType": SIGSTORE, "digest": sha256(payload), "size": len(payload)}
    described = {"mediaType": OCI_INDEX, "digest": subject, "size": 1}
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind, "config": EMPTY, "layers": [layer]}
    return encoded(manifest | {"subject": described} | changes)


def old(*signed, certificate=None):
    """The manifest of the old form: (payload, signature) of each."""
    more = {"dev.sigstore.cosign/certificate": certificate} if certificate else {}
    layers = [
        {
            "mediaType": SIMPLE,
            "digest": sha256(payload),
            "size": len(payload),
            "annotations": {"dev.cosignproject.cosign/signature": signature if isinstance(signature, str) else text(signature), **more},
        }
        for payload, signature in signed
    ]
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256(b"{}"), "size": 2}
    return encoded({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers})


def tag(digest):
    return digest.replace(":", "-")


# --- at a registry --------------------------------------------------------------------------------------


def push_bundles(host, repository, subject, *payloads):
    """As cosign does where the registry has no list of referrers: under the tag."""
    entries = []
    push_blob(host, repository, b"{}")
    for payload in payloads:
        manifest = referring(subject, payload)
        push_blob(host, repository, payload)
        put_manifest(host, repository, sha256(manifest), manifest, OCI_MANIFEST)
        entries.append({"digest": sha256(manifest), "size": len(manifest)})
    put_manifest(host, repository, tag(subject), listed(*entries), OCI_INDEX)


def listed(*entries):
    """A list of what refers to an image."""
    manifests = [{"mediaType": OCI_MANIFEST, "artifactType": SIGSTORE, **entry} for entry in entries]
    return encoded({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})


def push_old(host, repository, subject, *signed, certificate=None):
    push_blob(host, repository, b"{}")
    for payload in {payload for payload, _ in signed}:
        push_blob(host, repository, payload)
    put_manifest(host, repository, f"{tag(subject)}.sig", old(*signed, certificate=certificate), OCI_MANIFEST)


# --- for a registry in memory ---------------------------------------------------------------------------


def documents(*pairs):
    """Of (manifest, payloads) what a source answers."""
    files = [SignatureFiles(_blob(manifest), tuple(map(_blob, payloads))) for manifest, payloads in pairs]
    return SignatureDocuments(tuple(files), {sha256(data): data for manifest, payloads in pairs for data in (manifest, *payloads)})


def _blob(data):
    return Descriptor("", sha256(data), len(data))


def signed(key, digest):
    """A signature of this digest by this key, in the present form."""
    payload = envelope(key, statement(digest))
    return documents((referring(digest, payload), [payload]))


def trusting_images(*keys, require=("image",)):
    """Settings with these keys, which are asked for images."""
    return TrustSettings(tuple(key.public for key in keys), require)


@pytest.fixture(scope="module")
def anna(tmp_path_factory):
    return OpensslKey(tmp_path_factory.mktemp("anna"), "anna")


@pytest.fixture(scope="module")
def ben(tmp_path_factory):
    return OpensslKey(tmp_path_factory.mktemp("ben"), "ben", "ed25519")
