"""The certificate of the API: made when an address needs one, made again when it no longer fits, or when a person says so."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace

from kelvin_provision.context import Context
from kelvin_provision.errors import CertificateMissing, CertificateUnusable, Locked, UsageRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.lock import exclusive
from kelvin_provision.ledger import history
from kelvin_provision.ledger.model.operations import Entry
from kelvin_provision.settings.model import Settings
from kelvin_provision.tls import files, names
from kelvin_provision.tls.files import Chain
from kelvin_provision.tls.issuing import issue
from kelvin_provision.tls.judging import missing_names, reason_to_issue
from kelvin_provision.tls.x509 import pem_of_der

_WAIT = 60.0
_UNDER_WAY = "api.certificate"
"""The fact that has who makes a certificate, what for, and in place of which, until its line is in the history."""


@dataclass(frozen=True)
class ApiCertificate:
    """What clients of the API see. `authority` is None where the files are those of the site; `missing` are names it should have."""

    chain: Chain
    authority: Chain | None
    missing: tuple[str, ...]
    why: str = ""
    """Why it has just been made; empty if it was there."""

    @property
    def of_site(self) -> bool:
        return self.authority is None


def ensure(ctx: Context) -> ApiCertificate:
    """The certificate to serve with: that of the site, else that of this box, made again if it does not fit any more.

    Raises CertificateUnusable, ApiMissing, and what writing raises.
    """
    return _of_site(ctx.settings) or _issued(ctx, again="")


def renew(ctx: Context, *, authority: bool = False) -> ApiCertificate:
    """Another certificate, and with `authority` another authority, which all clients have to trust.

    Raises as `ensure`, and UsageRefused.
    """
    if _of_site(ctx.settings):
        raise UsageRefused("the certificate is that of api.tls.cert", hint="renew it where it was issued; the API reads it again by itself")
    return _issued(ctx, again="renewed by hand", new_authority=authority)


def shown(settings: Settings) -> ApiCertificate:
    """Changes nothing. Raises CertificateMissing, CertificateUnusable."""
    if of_site := _of_site(settings):
        return of_site
    authority, chain = files.authority(settings.state_dir), files.issued(settings.state_dir)
    if authority is None or chain is None:
        raise CertificateMissing("this box has no certificate for its API yet")
    return _judged(chain, authority, names.of_box(settings.api.names))


def usable(settings: Settings) -> ApiCertificate | None:
    """As `shown`; None without one that can be used, which has a check of `doctor`, and `api cert show`."""
    with suppress(CertificateMissing, CertificateUnusable):
        return shown(settings)
    return None


def authority_pem(settings: Settings) -> bytes:
    """What a client has to trust. Raises CertificateMissing, CertificateUnusable."""
    if settings.api.tls.cert is not None:
        raise CertificateMissing("the authority of api.tls.cert is not known to this box", hint="ask those who issued that certificate")
    authority = files.authority(settings.state_dir)
    if authority is None:
        raise CertificateMissing("this box has no authority yet")
    return pem_of_der(authority.leaf.der)


def _of_site(settings: Settings) -> ApiCertificate | None:
    """Only the names that the settings say are expected: it may be meant for one of them."""
    chain = files.of_site(settings.api.tls)
    return _judged(chain, None, settings.api.names) if chain else None


def _issued(ctx: Context, *, again: str, new_authority: bool = False) -> ApiCertificate:
    settings = ctx.settings
    folder = files.folder(settings.state_dir)
    if not again and (fits := _fitting(ctx)):  # without the lock: the API asks every minute, and a lock is written to
        if not ctx.ledger.fact(_UNDER_WAY):
            return fits
        with suppress(Locked), exclusive(folder / files.LOCK, command="api cert"):
            _record(ctx)
        return shown(settings)
    with exclusive(folder / files.LOCK, command="api cert", wait=_WAIT):
        _record(ctx)
        authority = None if new_authority else files.authority(settings.state_dir)
        why = again or reason_to_issue(*_present(settings), ctx.now)
        if why:
            detail = f"a certificate{'' if authority else ' and an authority'}: {why}"
            ctx.ledger.remember(_UNDER_WAY, json.dumps([ctx.actor, detail, _fingerprint(ctx)]))
            issue(folder, names.of_box(settings.api.names), authority, ctx.now)
            _record(ctx)
    return replace(shown(settings), why=why)


def _fitting(ctx: Context) -> ApiCertificate | None:
    """That of this box; None if there is a reason to make another one."""
    chain, authority, needed = _present(ctx.settings)
    if chain is None or authority is None or reason_to_issue(chain, authority, needed, ctx.now):
        return None
    return _judged(chain, authority, needed)


def _present(settings: Settings) -> tuple[Chain | None, Chain | None, tuple[str, ...]]:
    """The certificate of this box, its authority, and the names that it needs now."""
    return files.issued(settings.state_dir), files.authority(settings.state_dir), names.of_box(settings.api.names)


def _judged(chain: Chain, authority: Chain | None, needed: Collection[str]) -> ApiCertificate:
    return ApiCertificate(chain, authority, missing_names(chain, needed))


def _fingerprint(ctx: Context) -> str:
    chain = files.issued(ctx.settings.state_dir)
    return chain.leaf.fingerprint if chain else ""


def _record(ctx: Context) -> None:
    """The line of a certificate that was made, also by a process that ended before it was written. Hold the lock."""
    text = ctx.ledger.fact(_UNDER_WAY)
    if not text:
        return
    who, detail, before = json.loads(text)
    now = _fingerprint(ctx)
    if now == before:
        ctx.ledger.remember(_UNDER_WAY, "")
    else:
        line = Entry(ctx.ledger.clock(), who, "api cert renew", "", None, "done", f"{detail}; SHA-256 {now}")
        history.record(ctx.ledger, line, {_UNDER_WAY: ""})
