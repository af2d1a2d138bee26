"""Show the certificate of the API: fingerprints, names and days left."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report


def command(session: Session) -> Report:
    """Show the certificate of the API: fingerprints, names and days left.

    A browser shows the first fingerprint in its warning: if they are the same, it speaks to this box. At a terminal, a QR code has the
    address of the API, if it listens where other machines can reach it.

    With --json: `certificate` and `authority` (null for the files of api.tls.cert), each with `fingerprint`, `begins`, `ends`,
    `days_left` and `names`; `path`, `missing` (names that it should have), and `urls`.
    """
    import sys

    from kelvin_provision import timestamps
    from kelvin_provision.cli.commands.api.cert.shown import document, lines, qr_code
    from kelvin_provision.cli.frame import terminal
    from kelvin_provision.cli.frame.box import settings_of
    from kelvin_provision.tls.listen import secure_urls
    from kelvin_provision.usecases.api_certificate import shown

    settings = settings_of(session)
    certificate, urls, now = shown(settings), secure_urls(settings.api), timestamps.now()
    draws = urls and terminal.can_draw(sys.stdout)
    code = qr_code(urls[0], encoding=sys.stdout.encoding, width=terminal.columns()) if draws else ()
    return Report("api cert show", document=document(certificate, urls, now), lines=(*lines(certificate, urls, now), *code))
