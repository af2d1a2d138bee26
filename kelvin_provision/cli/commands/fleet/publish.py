"""Publish requests to a fleet: signed, at a tag of a registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.commands.fleet import meant_for
from kelvin_provision.cli.commands.key.signing import PassphraseFile, SignWith, signer
from kelvin_provision.cli.frame.declared import Argument, Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.frame.values.files import content
from kelvin_provision.cli.render.report import CHANGES, Item, Report
from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import command as to_type

if TYPE_CHECKING:
    from kelvin_provision.fleet.publishing import Plan, PublishResult

_REFERENCE = Argument(metavar="REGISTRY/REPO:TAG", help="Where it is published, and what boxes follow.")
_FILE = Option("-f", "--file", metavar="FILE", help="Requests in YAML or JSON; - for standard input; may be repeated.", allow_dash=True)
_SIGN = Option("--sign", metavar="KEY", help="Sign with this private key; with --sign-with, the public one; may be repeated.")
_FOR = Option(
    "--for",
    metavar="KEY=VALUE",
    help="Only for these boxes: box=NAME (with *), label.KEY=VALUE, cluster=TYPE, platform=PLATFORM; may be repeated.",
)
_ROLLOUT = Option(
    "--rollout", metavar="SHARE", help="Only to this share of the boxes, such as 10%; the same boxes are in every larger one."
)
_WITHDRAW = Option("--withdraw", metavar="NAME", help="Boxes should no longer run this workload; may be repeated.")
_ONLY = Option("--only", help="Withdraw every workload that is not in the files.")
_SERIAL = Option(
    "--serial",
    metavar="NUMBER",
    min=1,
    help="Publish with this number, higher than the last one, even if nothing else changes.  [default: one more]",
)
_IMAGES = Option("--copy-images", help="Copy the images to this registry first, with all platforms and signatures.")
_DIFF = Option("--diff", help="Show what would change, and publish nothing.")
_EXIT_CODE = Option("--exit-code", help="With --diff, exit with 3 if there are changes.")
_ROLLBACK = Option("--rollback", help="Publish again what was published before.")
_TO = Option("--to", metavar="SERIAL", min=1, help="With --rollback, what had this serial.")
_REPLACE = Option("--replace", help="Do not read what is there now, such as after a lost key; needs --serial.")
_LATEST = Option("--allow-latest", help="Accept an image whose tag can change: `latest`, or no tag.")


def command(
    session: Session,
    reference: Annotated[str, _REFERENCE],
    *,
    file: Annotated[list[Path] | None, _FILE] = None,
    sign: Annotated[list[Path] | None, _SIGN] = None,
    sign_with: SignWith = None,
    passphrase_file: PassphraseFile = None,
    meant: Annotated[list[str] | None, _FOR] = None,
    rollout: Annotated[str, _ROLLOUT] = "100%",
    withdraw: Annotated[list[str] | None, _WITHDRAW] = None,
    only: Annotated[bool, _ONLY] = False,
    serial: Annotated[int | None, _SERIAL] = None,
    copy_images: Annotated[bool, _IMAGES] = False,
    diff: Annotated[bool, _DIFF] = False,
    exit_code: Annotated[bool, _EXIT_CODE] = False,
    rollback: Annotated[bool, _ROLLBACK] = False,
    to: Annotated[int | None, _TO] = None,
    replace: Annotated[bool, _REPLACE] = False,
    allow_latest: Annotated[bool, _LATEST] = False,
) -> Report:
    """Publish requests to a fleet: signed, at a tag of a registry.

    Boxes that follow the tag stage by themselves what is meant for them. What is published and not named here stays. A version for a share
    of the boxes stands before the one for all; publish it again with a larger share, then without one. Requests are kept byte for byte.

    Images are pulled from where the requests name them. With --copy-images, HOST/PATH:TAG is copied to REGISTRY/PATH:TAG, where boxes
    find it that have REGISTRY as a mirror of HOST.
    """
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.fleet import publishing
    from kelvin_provision.refs import Reference
    from kelvin_provision.trust.requests import RequestFile

    if exit_code and not diff:
        raise UsageRefused("--exit-code goes with --diff", hint=to_type("publish", "--help"))
    request = publishing.PublishRequest(
        files=tuple(RequestFile(*content(path)) for path in file or ()),
        reference=Reference.parse(reference),
        signers=tuple(signer(key, sign_with, passphrase_file) for key in sign or ()),
        selector=meant_for.selector(meant or ()),
        rollout=meant_for.rollout(rollout),
        withdraw=tuple(dict.fromkeys(withdraw or ())),
        serial=serial,
        alone=only,
        replace=replace,
        rollback=rollback,
        to=to,
        copy_images=copy_images,
        allow_latest=allow_latest,
    )
    with operating(session) as ctx:
        if diff:
            planned = publishing.plan(ctx, request)
            return _compared(publishing.PublishResult(request.reference, planned, warnings=planned.entries.warnings), exit_code=exit_code)
        result = publishing.publish(ctx, request)
    images = [Item("image", str(image), "copied") for image in result.images]
    keys = [Item("signature", key[:12], "added") for key in result.signers]
    serial_now = result.to_json()["serial"]
    outcome = "published" if result.digest else "unchanged"
    whole = Item("publication", str(request.reference), outcome, f"serial {serial_now}{f'; {result.digest}' if result.digest else ''}")
    items = (*_items(result.plan), *images, *keys, whole)
    return Report("publish", items, warnings=result.warnings, more={"publication": result.to_json()}, names=(str(request.reference),))


def _items(plan: Plan) -> tuple[Item, ...]:
    return tuple(Item("workload", change.name, change.outcome, change.detail) for change in plan.differences)


def _compared(result: PublishResult, *, exit_code: bool) -> Report:
    code = CHANGES if exit_code and result.plan.changes else 0
    return Report("publish", _items(result.plan), warnings=result.warnings, more={"publication": result.to_json()}, exit_code=code)
