"""Where the certificates of public authorities are on this box."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_ELSEWHERE = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian without openssl, Alpine, Yocto
    "/etc/pki/tls/certs/ca-bundle.crt",  # RHEL, Fedora
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, BSD
)
_OURS = Path(sys.prefix) / "share" / "ca-certificates.crt"
"""In a tree of our own (package/tree); there is none in an environment of pip."""


@cache
def bundle(elsewhere: Sequence[str] = _ELSEWHERE, ours: Path = _OURS) -> str | None:
    """None where OpenSSL finds some by itself, as its builder or SSL_CERT_FILE says: ours was built for Debian.

    The box's own come first: its administrator may have added one. Those that came with the program are for a box that has none.
    """
    default = ssl.get_default_verify_paths()
    if default.cafile or (default.capath and os.listdir(default.capath)):  # noqa: PTH208  (only whether there is any)
        return None
    return next((str(path) for path in (*map(Path, elsewhere), ours) if path.is_file()), None)
