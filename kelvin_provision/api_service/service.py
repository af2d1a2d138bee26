"""Installing and removing the service of the API."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import kelvin_provision
from kelvin_provision.agent.systemd.service import starts_on_request
from kelvin_provision.api_service import firewall, issue, place, units
from kelvin_provision.api_service.libraries import refuse_missing
from kelvin_provision.api_service.units import SERVICE, SOCKET, Installation
from kelvin_provision.cluster.kubernetes.api.kubeconfig import paths_of
from kelvin_provision.errors import Locked
from kelvin_provision.files.durable import private_folder
from kelvin_provision.settings.files import Sources
from kelvin_provision.settings.model import Settings
from kelvin_provision.systemd import installing
from kelvin_provision.systemd.environment import interpreter, passed_on, withheld
from kelvin_provision.systemd.installing import Done, Service
from kelvin_provision.systemd.systemctl import Systemd
from kelvin_provision.tls.listen import split
from kelvin_provision.usecases.api_certificate import usable
from kelvin_provision.usecases.config import SetSetting, set_setting

NO_AGENT = "without the service of the agent, changes are refused while no agent runs (agent install)"


@dataclass(frozen=True)
class Box:
    """Where the files of a box are that are not systemd's."""

    systemd: Systemd
    ask_firewall: firewall.Ask = firewall.asked

    @property
    def issue(self) -> Path:
        """/etc/issue.d beside /etc/systemd/system, also in an image that is built elsewhere."""
        return self.systemd.folder.parents[1] / issue.FOLDER


@dataclass(frozen=True)
class Installed:
    """What became of the service, where it listens, and what its address looks like on the screen of the box."""

    done: Done
    addresses: tuple[str, ...]
    issue: Path | None = None
    fingerprint: str = ""
    """SHA-256 of the certificate that other machines see; empty where there is none yet."""

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.done.warnings


def listen_too(sources: Sources, settings: Settings, addresses: Sequence[str]) -> Settings:
    """The settings with these addresses besides those that they have, also in the settings file.

    Raises ListenRefused for what is no address, and as `config.set_setting`.
    """
    for address in addresses:
        split(address)
    listen = tuple(dict.fromkeys((*settings.api.listen, *addresses)))
    if listen == settings.api.listen:
        return settings
    set_setting(sources, SetSetting("api.listen", ",".join(listen)))
    return replace(settings, api=replace(settings.api, listen=listen))


def install(box: Box, settings: Settings, config: Path | None, environ: Mapping[str, str], *, now: bool) -> Installed:
    """Write, enable and with `now` start the units. May be repeated; another address takes effect then.

    Raises ApiMissing, PermissionRefused, CannotWrite, ServiceFailed; Locked where an API runs that is no service.
    """
    refuse_missing()
    state, systemd, addresses = private_folder(settings.state_dir), box.systemd, settings.api.listen
    if now:
        refuse_another(systemd, state)
    done = installing.install(systemd, described(settings, config, environ), now=now)
    reachable = units.reachable(addresses)
    written = issue.write(issue.text(reachable, "http" if settings.api.insecure else "https"), box.issue)
    agent = () if starts_on_request(systemd, state) else (NO_AGENT,)
    warnings = (*withheld(environ, SERVICE), *done.warnings, *agent, *_firewall(box, {port for _, port in reachable}))
    certificate = usable(settings) if reachable and not settings.api.insecure else None
    fingerprint = certificate.chain.leaf.fingerprint if certificate else ""
    return Installed(replace(done, warnings=warnings), addresses, box.issue / issue.NAME if written else None, fingerprint)


def described(settings: Settings, config: Path | None, environ: Mapping[str, str]) -> Service:
    """The units as `install` writes them."""
    return Service(units.render(_installation(settings, config, environ)))


def uninstall(box: Box) -> Done:
    """Stop the service and remove its units, and the address on the screen. Raises as `install`."""
    done = installing.uninstall(box.systemd, SERVICE, SOCKET)
    issue.remove(box.issue)
    return done


def _installation(settings: Settings, config: Path | None, environ: Mapping[str, str]) -> Installation:
    # Not by `api serve`: nothing of a command is needed to start it. -P: nothing is imported from where it is started.
    command = [str(interpreter()), "-P", "-m", "kelvin_provision.api", "--state-dir", str(settings.state_dir)]
    command += ["--config", str(config)] if config else []
    package, tls = Path(kelvin_provision.__file__), settings.api.tls
    return Installation(
        command=[*command, "--agent", "asked"],
        state_dir=settings.state_dir,
        addresses=settings.api.listen,
        environment=_without_logins_of_the_cluster(passed_on(environ, script=False)),
        reads=(package, Path(sys.executable).resolve(), *(path for path in (config, tls.cert, tls.key, *settings.trust.keys) if path)),
        denied=tuple(_denied(settings, environ)),
    )


def _without_logins_of_the_cluster(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in {"KUBECONFIG", "DOCKER_HOST"}}


def _denied(settings: Settings, environ: Mapping[str, str]) -> Iterable[Path]:
    """What this box has set of cluster and runtime: kubeconfigs, and sockets."""
    yield from (path.absolute() for path in paths_of(settings.cluster.kubeconfig))
    for address in (environ.get("DOCKER_HOST"), settings.runtime.address):
        path = urlsplit(address or "").path
        if path.startswith("/"):
            yield Path(path)


def refuse_another(systemd: Systemd, state_dir: Path) -> None:
    """Raises Locked where an API runs that is no service, before one that is would be started beside it."""
    other = place.running(state_dir) if systemd.here else None
    if other is not None and not systemd.active(SERVICE):
        raise Locked(f"an API runs already that is no service, pid {other.get('pid', '?')}", hint="end it, then try again")


def _firewall(box: Box, ports: Collection[int]) -> Sequence[str]:
    commands = [firewall.command_for(port, box.ask_firewall) for port in sorted(ports)] if box.systemd.here else []
    return [f"other machines are kept out by {name} until it is told: {command}" for name, command in commands if name]
