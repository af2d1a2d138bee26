"""The TLS context of new connections. It is made again when the certificate is: a new one needs no restart."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from contextlib import suppress

from kelvin_provision.api.work.box import Box
from kelvin_provision.errors import CertificateUnusable
from kelvin_provision.files.durable import in_words
from kelvin_provision.tls.files import Chain
from kelvin_provision.usecases.api_certificate import ApiCertificate, ensure

LOOK = 60.0
"""Seconds between two looks at the addresses of this box, the days that are left, and the files."""
ACTOR = "api"
LOG = logging.getLogger("kelvin_provision.api")


class Credentials:
    """`context` is for the next connection; those that are open keep theirs."""

    def __init__(self, certificate: ApiCertificate) -> None:
        self.certificate = certificate
        self._seen = _signature(certificate.chain)
        self.context = context_of(certificate.chain)
        self._complaint = ""

    @classmethod
    async def of(cls, box: Box) -> Credentials:
        """Makes the certificate if there is none. Raises CertificateUnusable, ApiMissing, and what writing raises."""
        return cls(await box.act(ACTOR, ensure))

    async def keep(self, box: Box, interval: float = LOOK) -> None:
        """For ever. What goes wrong is logged once, and the certificate stays as it is."""
        while True:
            await asyncio.sleep(interval)
            complaint = ""
            try:
                self.replace(await box.act(ACTOR, ensure))
            except Exception as error:  # noqa: BLE001  (trouble of the box, or a bug of ours: it is looked at again in a minute)
                complaint = in_words(error)
            if complaint and complaint != self._complaint:
                LOG.error("the certificate stays as it is: %s", complaint)
            self._complaint = complaint

    def replace(self, certificate: ApiCertificate) -> None:
        """Raises CertificateUnusable."""
        seen = _signature(certificate.chain)
        if seen != self._seen:
            self.context = context_of(certificate.chain)
            self.certificate, self._seen = certificate, seen


def context_of(chain: Chain) -> ssl.SSLContext:
    """TLS 1.2 and 1.3. Raises CertificateUnusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(chain.path, chain.key, password=lambda: b"")  # else OpenSSL asks at the terminal
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) and error.reason else getattr(error, "strerror", None) or str(error)
        text = reason.replace("_", " ").lower()
        raise CertificateUnusable(f"{chain.path} with the key in {chain.key}: {text}") from error
    return context


def _signature(chain: Chain) -> tuple[object, ...]:
    """Another one after each change of the files. They are read when the context is made."""
    signature: list[object] = [chain.leaf.der]
    for path in (chain.path, chain.key):
        with suppress(OSError):
            status = os.stat(path)  # noqa: PTH116  (a link leads to what matters)
            signature.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(signature)
