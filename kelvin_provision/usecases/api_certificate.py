"""The certificate of the API: made when an address needs one, made again when it no longer fits, or when a person says so."""

from __future__ import annotations

from dataclasses import replace

from kelvin_provision.context import Context
from kelvin_provision.errors import CertificateMissing, UsageRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.files.lock import exclusive
from kelvin_provision.ledger import history
from kelvin_provision.ledger.model import Entry
from kelvin_provision.settings.model import Settings
from kelvin_provision.tls import files, names
from kelvin_provision.tls.files import Chain
from kelvin_provision.tls.issuing import issue
from kelvin_provision.tls.judging import missing_names, reason_to_issue
from kelvin_provision.tls.x509 import pem_of_der

_WAIT = 60.0


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
    return _judged(settings, chain, authority)


def authority_pem(settings: Settings) -> bytes:
    """What a client has to trust. Raises CertificateMissing, CertificateUnusable."""
    if settings.api.tls.cert is not None:
        raise CertificateMissing("the authority of api.tls.cert is not known to this box", hint="ask those who issued that certificate")
    authority = files.authority(settings.state_dir)
    if authority is None:
        raise CertificateMissing("this box has no authority yet")
    return pem_of_der(authority.leaf.der)


def _of_site(settings: Settings) -> ApiCertificate | None:
    chain = files.of_site(settings.api.tls)
    return _judged(settings, chain, None) if chain else None


def _issued(ctx: Context, *, again: str, new_authority: bool = False) -> ApiCertificate:
    settings = ctx.settings
    if not again and not _reason(ctx):  # without the lock: the API asks every minute, and a lock is written to
        return shown(settings)
    folder = files.folder(settings.state_dir)
    with exclusive(folder / files.LOCK, command="api cert", wait=_WAIT):
        authority = None if new_authority else files.authority(settings.state_dir)
        why = again or _reason(ctx)
        if why:
            issue(folder, names.of_box(settings.api.names), authority, ctx.now)
            _record(ctx, f"a certificate{'' if authority else ' and an authority'}: {why}")
    return replace(shown(settings), why=why)


def _reason(ctx: Context) -> str:
    state_dir = ctx.settings.state_dir
    return reason_to_issue(files.issued(state_dir), files.authority(state_dir), names.of_box(ctx.settings.api.names), ctx.now)


def _judged(settings: Settings, chain: Chain, authority: Chain | None) -> ApiCertificate:
    """Of a certificate of the site, only the names that the settings say are expected: it may be meant for one of them."""
    needed = names.of_box(settings.api.names) if authority else settings.api.names
    return ApiCertificate(chain, authority, missing_names(chain, needed))


def _record(ctx: Context, detail: str) -> None:
    chain = files.issued(ctx.settings.state_dir)
    fingerprint = f"; SHA-256 {chain.leaf.fingerprint}" if chain else ""
    history.record(ctx.ledger, Entry(ctx.ledger.clock(), ctx.actor, "api cert renew", "", None, "done", f"{detail}{fingerprint}"))
