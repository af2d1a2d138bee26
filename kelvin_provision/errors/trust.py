"""Signatures and the keys that make and check them."""

from __future__ import annotations

import os

from kelvin_provision.errors.base import ProvisionError
from kelvin_provision.hints import command


class SignatureMissing(ProvisionError):
    """This box takes only what is signed, and there is no signature."""

    code, exit_code = "signature-missing", os.EX_DATAERR
    hint_default = command("key sign", "FILE", "--key", "KEY", instruction="where the key is")


class SignatureInvalid(ProvisionError):
    """A signature does not belong to these bytes, or the signatures cannot be read."""

    code, exit_code = "signature-invalid", os.EX_DATAERR
    hint_default = "the file or its signature was changed after signing; copy both again from where they were signed"


class SignerUnknown(ProvisionError):
    """None of the signatures was made with a key that this box trusts."""

    code, exit_code = "signer-unknown", os.EX_DATAERR
    hint_default = command("config show", "-o", "wide", instruction="see trust.keys")


class ImageUnsigned(ProvisionError):
    """This box takes only images that are signed with a key that it trusts, and this one is not."""

    code, exit_code = "image-unsigned", os.EX_DATAERR
    hint_default = "cosign sign --key KEY IMAGE@DIGEST where the key is; the agent looks for the signature again by itself"


class VersionRevoked(ProvisionError):
    """A key that signed the request or its bundle, the bundle, or an image of the version is revoked. What runs already goes on running."""

    code, exit_code = "version-revoked", os.EX_DATAERR
    hint_default = "deploy another version, signed with keys that are not revoked"


class ExpectedOther(ProvisionError):
    """The digest is not the expected one."""

    code, exit_code = "expected-other", os.EX_DATAERR
    hint_default = "check the digest with the person who made the file; if it differs, this is another file, or it was changed"


class KeyInvalid(ProvisionError):
    """A key cannot be used: its file, its type, or its passphrase."""

    code, exit_code = "key-invalid", os.EX_DATAERR
    hint_default = command("key generate", "NAME", instruction="keys are Ed25519 or ECDSA P-256, in PEM; make one")


class TrustedKeyInvalid(ProvisionError):
    """A key of the setting trust.keys cannot be used, so nothing that needs a signature is accepted."""

    code, exit_code, of_box = "trusted-key-invalid", os.EX_CONFIG, True
    hint_default = command("config show", "-o", "wide", instruction="see trust.keys")


class SigningFailed(ProvisionError):
    """The command that signs did not answer with a signature."""

    code, exit_code = "signing-failed", os.EX_UNAVAILABLE
    hint_default = "the command gets what is signed on standard input and must write nothing but the signature on standard output"


class SignersTooFew(ProvisionError):
    """Fewer of the trusted keys have signed than the trust document of this box asks for."""

    code, exit_code = "signers-too-few", os.EX_DATAERR
    hint_default = command("trust show", instruction="see whose signatures count, and have it signed by more of them")


class SignerRevoked(ProvisionError):
    """It is signed with a key that was revoked, and not by enough others."""

    code, exit_code = "signer-revoked", os.EX_DATAERR
    hint_default = command("trust show", instruction="have it made and signed again by a key that counts; see which do")


class TrustDocumentInvalid(ProvisionError):
    """It is not a trust document, breaks a rule of the format, or was changed after it was signed; nothing was accepted."""

    code, exit_code = "trust-document-invalid", os.EX_DATAERR
    hint_default = "copy the document and its signatures again from where they were signed"


class TrustDocumentRefused(ProvisionError):
    """The trust document does not follow the one that this box believes: its number, or who has signed it; nothing was accepted."""

    code, exit_code = "trust-document-refused", os.EX_DATAERR
    hint_default = command("trust show", instruction="see what this box believes")
