"""TLS between nodes: version 1.3, each side verified by the authority of the leader."""

from __future__ import annotations

import ssl

from kelvin_provision.errors import CertificateUnusable
from kelvin_provision.tls.files import Chain
from kelvin_provision.tls.x509 import pem_of_der

_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL: whether a member is one is said by the ledger, whatever the clock of the leader says."""


def server_context(chain: Chain) -> ssl.SSLContext:
    """A client without a certificate may speak: it joins. One with a foreign certificate may not. Raises CertificateUnusable."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, chain)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    context.num_tickets = 0
    _load(context, chain)
    return context


def client_context(chain: Chain, *, leader: bool) -> ssl.SSLContext:
    """For the leader, with its host name in the certificate; for peers, whose keys are compared. Raises CertificateUnusable.

    OpenSSL takes the common name for a host name where there is no other: that is the name which a member has chosen, and it never counts.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, chain)
    context.check_hostname = leader
    context.hostname_checks_common_name = False
    _load(context, chain)
    return context


def joining_context(authority: bytes | None) -> ssl.SSLContext:
    """Of a node that has no certificate yet: verified with this authority (PEM), or, to ask for it, not at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.hostname_checks_common_name = False  # that is the name which a member has chosen
    if authority is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # its answer is compared with the hash in the token
    else:
        context.load_verify_locations(cadata=authority.decode())
    return context


def _context(protocol: int, chain: Chain) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=pem_of_der(chain.certificates[-1].der).decode())
    return context


def _load(context: ssl.SSLContext, chain: Chain) -> None:
    try:
        context.load_cert_chain(chain.path, chain.key, password=lambda: b"")  # else OpenSSL asks at the terminal
    except (OSError, ValueError) as error:
        raise CertificateUnusable(f"{chain.path}: its key and its certificate cannot be used", hint="join the leader again") from error
