"""The process of the API: settings, sockets, server. `cli` replaces itself with it, so that nothing of a command stays in memory."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kelvin_provision.api.arguments import Arguments
from kelvin_provision.api.memory import import_server_only
from kelvin_provision.api.work.confined import wiring
from kelvin_provision.api.work.deploying import ChildProcess
from kelvin_provision.api_service.place import held
from kelvin_provision.errors import ProvisionError
from kelvin_provision.hints import shell_line
from kelvin_provision.serving.addresses import Listener, adopted, listening
from kelvin_provision.settings.load import load
from kelvin_provision.settings.model import Settings
from kelvin_provision.systemd.notify import notify
from kelvin_provision.systemd.sockets import inherited
from kelvin_provision.tls.listen import is_loopback

if TYPE_CHECKING:
    from kelvin_provision.api.network.credentials import Credentials


def main(words: Sequence[str]) -> int:
    """Serve until a signal; the exit code."""
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stderr)
    try:
        arguments = Arguments.parse(words)
        serve(_settings(arguments), arguments)
    except ProvisionError as error:
        hint = shell_line(error.hint, "kelvin-provision")
        sys.stderr.write(f"error: {error}\n" + (f" hint: {hint}\n" if hint else ""))
        return error.exit_code
    return 0


def _settings(arguments: Arguments) -> Settings:
    settings = load(config=arguments.config, state_dir=arguments.state_dir, environ=os.environ, is_root=os.geteuid() == 0).settings
    return replace(settings, api=replace(settings.api, listen=arguments.listen)) if arguments.listen else settings


def serve(settings: Settings, arguments: Arguments) -> None:
    """Raises ListenRefused, ListenFailed, CertificateUnusable, ApiMissing, Locked where another API serves this box, and what opening the
    ledger raises.
    """
    insecure = settings.api.insecure
    listeners = adopted(inherited(), insecure=insecure) or listening(settings.api.listen, insecure=insecure)
    try:
        # Only now: an address that is in use needs no framework to say so.
        import_server_only()
        from kelvin_provision.api.server import run, server, services

        deploy = ChildProcess(arguments.words).deploy
        with held(settings.state_dir, [each.url for each in listeners]), services(settings, wiring(arguments, settings), deploy) as served:
            gc.freeze()
            run(server(served), listeners, lambda credentials: _announce(listeners, credentials), served)
    finally:
        notify("STOPPING=1")
        for listener in listeners:
            listener.socket.close()


def _announce(listeners: Sequence[Listener], credentials: Credentials | None) -> None:
    lines = [f"listening on {', '.join(listener.url for listener in listeners)}"]
    notify("READY=1", f"STATUS={lines[0]}")
    if credentials:
        shown = credentials.certificate
        lines.append(f"certificate SHA-256 {shown.chain.leaf.fingerprint}")
        if shown.authority:
            lines.append(f"authority SHA-256 {shown.authority.leaf.fingerprint}")
    lines += [f"warning: {url} has no TLS: passwords can be read on the way (api.insecure)" for url in _readable(listeners)]
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()


def _readable(listeners: Sequence[Listener]) -> list[str]:
    """Those without TLS that other machines can reach."""
    return [each.url for each in listeners if not each.secure and not is_loopback(each.socket.getsockname()[0])]
