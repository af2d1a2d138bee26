"""Whether a change was asked for by a page of this box: another site's page may make a browser send a form here."""

from __future__ import annotations

from starlette.datastructures import Headers

from kelvin_provision.api.messages.refusals import Refusal

_OWN = frozenset({"same-origin", "none"})


def refuse_other(headers: Headers, base: str) -> None:
    """By Sec-Fetch-Site, which browsers send to addresses with TLS and to loopback; else by Origin. Raises Refusal."""
    sites, origins = headers.getlist("sec-fetch-site"), headers.getlist("origin")
    own = set(sites) <= _OWN if sites else [text.lower() for text in origins] == [base.lower()]
    if not own:
        raise Refusal("other-origin", f"the request comes from {(origins or ['no page'])[0][:100]}, not from {base}")
