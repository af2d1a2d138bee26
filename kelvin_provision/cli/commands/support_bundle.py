"""Pack everything known about this box, without its secrets."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Item, Report
from kelvin_provision.errors import CannotWrite, Interrupted, PermissionRefused, TransferStopped, UsageRefused
from kelvin_provision.hints import command as to_type

if TYPE_CHECKING:
    from kelvin_provision.support.archive import Bundle

_FILE = Option("-o", "--file", metavar="FILE", help="The file to write, - for stdout.  [default: named after host and time]")


_COPY = Option("--ledger-copy", help="Write a copy of the ledger instead, with keys: for `setup --from` on the box that is to lead next.")


def command(session: Session, *, file: Annotated[str | None, _FILE] = None, ledger_copy: Annotated[bool, _COPY] = False) -> Report:
    """Pack everything known about this box, without its secrets.

    Versions, configuration, ledger, history, logs, the state of cluster and runtime, images and disks, as tar.gz. Passwords, tokens,
    keys and the values of secrets are masked by rules that are part of the file. What could not be collected is listed in its manifest
    and here.

    With --ledger-copy: everything that another box needs to take this one's place, in one file: the ledger, the history, trust documents,
    users, and the keys of nodes and API. It is as secret as this box, and has no image: keep it where the box's own backup is kept.
    """
    if ledger_copy:
        return copied(session, file)
    return written(session, file)


def copied(session: Session, file: str | None) -> Report:
    """A copy of the ledger; a change that is under way is waited for."""
    from kelvin_provision.cli.frame import terminal
    from kelvin_provision.cli.frame.box import operating
    from kelvin_provision.leading.copy.making import made

    if file == "-":
        _refuse_stdout(session)
    with operating(session) as ctx, made(ctx.settings.state_dir, lambda: ctx.ledger, wait=ctx.timings.lock_wait_command) as copy:
        contents = copy.contents
        if file == "-":
            terminal.send(copy.chunks())
            return Report("support-bundle", streamed=True)
        path = Path(file or f"kelvin-provision-{_plain(contents.box)}-{_plain(contents.made)}.copy")
        _put(path, copy.chunks())
    detail = f"{_size(path.stat().st_size)}, {contents.workloads} workloads, {contents.nodes} other nodes"
    return Report("support-bundle", (Item("copy", str(path), "written", detail),), warnings=(_CAREFUL,))


_CAREFUL = "the copy has keys and hashes of passwords: who has it can take this box's place"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-" if text[:1].isalpha() else "", text)


def written(session: Session, file: str | None) -> Report:
    """Gather, redact and write; changes nothing on this box but the file."""
    from kelvin_provision.cli.frame import hints, terminal
    from kelvin_provision.cli.frame.box import refuse_forgotten_sudo, signals_noted, wiring_of
    from kelvin_provision.support import sections
    from kelvin_provision.support.bundle import bundle_of

    if file == "-":
        _refuse_stdout(session)
    request = sections.SupportRequest(
        make_wiring=lambda settings: wiring_of(session, settings),
        describe_hint=hints.line,
        environ=os.environ,
        is_root=os.geteuid() == 0,
        config=session.config,
        state_dir=session.state_dir,
    )
    scope = sections.SupportScope(request)
    refuse_forgotten_sudo(session, scope.settings)
    with signals_noted() as stop, bundle_of(scope, stop) as bundle:
        path = Path(file or f"{bundle.folder}.tar.gz")
        if file == "-":
            terminal.send(_until_stopped(bundle.chunks()))
            return Report("support-bundle", streamed=True)
        _kept(path, bundle)
    size = path.stat().st_size
    count = len(bundle.missing)
    detail = f"{_size(size)}, {len(bundle.files)} files" + (f", {count} incomplete or missing" if count else "")
    missing = _by_reason(bundle.missing)
    return Report("support-bundle", (Item("bundle", str(path), "written", detail),), warnings=(*bundle.about["unread"], *missing))


def _by_reason(missing: Mapping[str, str]) -> list[str]:
    """A line for each reason: a cluster that is away is one thing, not twenty."""
    files: dict[str, list[str]] = {}
    for file, why in missing.items():
        files.setdefault(why, []).append(file)
    return [f"{', '.join(names)}: {why}" for why, names in files.items()]


def _refuse_stdout(session: Session) -> None:
    if session.document:
        raise UsageRefused("standard output takes the file or a document, not both", hint=to_type("support-bundle", "-o", "FILE", "--json"))
    if sys.stdout.isatty():
        raise UsageRefused("the file is no text: not for a terminal", hint=to_type("support-bundle", "-o", "-", ">", "FILE.tar.gz"))


def _kept(path: Path, bundle: Bundle) -> None:
    _put(path, _until_stopped(bundle.chunks()))


def _put(path: Path, chunks: Iterable[bytes]) -> None:
    from kelvin_provision.files.durable import write_durably

    other = to_type("support-bundle", "-o", "FOLDER/FILE.tar.gz")
    if path.is_symlink():  # such as /dev/stdout, which the rename would replace for every program
        raise CannotWrite(f"cannot write {path}: it is a link", hint=other)
    try:
        write_durably(path.absolute(), chunks, mode=0o600)
    except (CannotWrite, PermissionRefused) as error:
        raise type(error)(str(error), hint=other) from error


def _until_stopped(chunks: Iterator[bytes]) -> Iterable[bytes]:
    with closing(chunks):  # type: ignore[type-var]
        try:
            yield from chunks
        except TransferStopped as error:
            raise Interrupted("stopped by a signal; nothing was written") from error


def _size(count: int) -> str:
    from kelvin_provision.quantity import format_bytes

    return format_bytes(count)
