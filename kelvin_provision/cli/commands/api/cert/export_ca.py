"""Print the authority that clients of the API have to trust."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Line, Report


def command(session: Session) -> Report:
    """Print the authority that clients of the API have to trust.

    As PEM: `api cert export-ca > ca.pem`. Clients of the platform take it with SSL_CERT_FILE and REQUESTS_CA_BUNDLE. The API has it at
    /ca.pem, too; compare its fingerprint with `api cert show` there.
    """
    from kelvin_provision.cli.frame.box import settings_of
    from kelvin_provision.usecases.api_certificate import authority_pem

    pem = authority_pem(settings_of(session)).decode("ascii")
    return Report("api cert export-ca", lines=tuple(map(Line, pem.splitlines())), document={"schema": SCHEMA, "pem": pem})
