"""Set up a new box: settings, services, the first user; then doctor."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

from kelvin_provision.access.levels import Level
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.dry_run import DryExitCode
from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import Report


def cluster_types(ctx: Any, args: list[str], incomplete: str) -> list[str]:  # noqa: ARG001  (typer finds these by name)
    """For completion."""
    return [name for name in ("auto", "kubernetes", "docker") if name.startswith(incomplete)]


_CLUSTER = Option(
    "--cluster",
    metavar="TYPE",
    help="What runs the workloads: kubernetes or docker, or a name such as k3s; auto looks for it.",
    autocompletion=cluster_types,
)
_KUBECONFIG = Option("--kubeconfig", metavar="FILE", help="The kubeconfig of the cluster, if it is at an unusual place.")
_REGISTRY = Option("--registry", metavar="HOST[:PORT]", help="The registry from which <app_name>:<app_version> is pulled.")
_NAME = Option("--cluster-name", metavar="NAME", help="The name of this cluster on the platform.")
_KEY = Option("--trust-key", metavar="FILE", help="A public key whose signatures this box accepts; copied. May be repeated.")
_LISTEN = Option("--listen", metavar="ADDRESS:PORT", help="The API listens here, too: added to api.listen. May be repeated.")
_API = Option("--api/--no-api", help="Install the service of the API, or leave it as it is.  [default: yes on a new box]")
_USER = Option("--user", metavar="NAME", help="The first user of the API; one that is there is left as it is.")
_LEVEL = Option("--level", metavar="LEVEL", help="The level of that user: read, operate, deploy or admin.")
_FILE = Option("--password-file", metavar="FILE", help="The user's password is the first line of this file, with mode 0600.")
_START = Option("--start/--no-start", help="Start the services now. --no-start is for images: nothing is made that only one box may have.")
_FROM = Option("--from", metavar="COPY", help="Take the place of the box that made this copy (support-bundle --ledger-copy).")
_DRY = Option("--dry-run", help="Show what would change, ask nothing, and change nothing.")


def command(
    session: Session,
    *,
    cluster: Annotated[str | None, _CLUSTER] = None,
    kubeconfig: Annotated[Path | None, _KUBECONFIG] = None,
    registry: Annotated[str | None, _REGISTRY] = None,
    cluster_name: Annotated[str | None, _NAME] = None,
    trust_key: Annotated[list[Path] | None, _KEY] = None,
    listen: Annotated[list[str] | None, _LISTEN] = None,
    api: Annotated[bool | None, _API] = None,
    user: Annotated[str | None, _USER] = None,
    level: Annotated[Level, _LEVEL] = Level.ADMIN,
    password_file: Annotated[Path | None, _FILE] = None,
    password_stdin: Annotated[bool, Option("--password-stdin", help="The password is the first line of standard input.")] = False,
    no_user: Annotated[bool, Option("--no-user", help="Make no user now.")] = False,
    start: Annotated[bool, _START] = True,
    copy: Annotated[Path | None, _FROM] = None,
    dry_run: Annotated[bool, _DRY] = False,
    exit_code: DryExitCode = False,
    yes: Annotated[bool, Option("-y", "--yes", help="Ask nothing: take the default of every answer that is not an option.")] = False,
) -> Report:
    """Set up a new box: settings, services, the first user; then doctor.

    It looks for k3s, another Kubernetes or Docker Engine, asks what it cannot find out, shows what it will change, and asks before it
    does. Run it again at any time: it changes only what its options ask for, and what is missing. Every answer has an option; with
    --yes, nothing is asked. Exit code 1 if the box is set up and doctor finds an error.

    With --from, it takes the place of the box that leads the cluster, whose ledger is in the copy: for one that is lost.
    """
    from kelvin_provision.cli.commands.config.setting import sources
    from kelvin_provision.cli.commands.setup import asking, shown
    from kelvin_provision.cli.frame.box import context_of, signals_noted
    from kelvin_provision.cli.frame.confirm import confirm
    from kelvin_provision.cli.frame.dry_run import refuse_exit_code
    from kelvin_provision.cli.frame.terminal import is_terminal
    from kelvin_provision.settings.types import expanded
    from kelvin_provision.setup.answers import Answers
    from kelvin_provision.setup.carrying_out import carry_out
    from kelvin_provision.setup.finding import Look, find
    from kelvin_provision.setup.plan import make
    from kelvin_provision.setup.present import NewBox, look_at
    from kelvin_provision.systemd.systemctl import Systemd

    refuse_exit_code(exit_code=exit_code, dry_run=dry_run)
    box = NewBox(sources(session), Systemd.of(os.environ), Look(os.environ), lambda settings: context_of(session, settings=settings))
    present = look_at(box)
    config = expanded(str(kubeconfig)).absolute() if kubeconfig else None
    answers = Answers(cluster, config, registry, cluster_name, tuple(trust_key or ()), tuple(listen or ()), api, start=start, copy=copy)
    options = asking.UserOptions(user, level, password_file, password_stdin, none=no_user, later=dry_run)
    ask = is_terminal(sys.stdin) and is_terminal(sys.stderr)
    candidates = find(box.look)
    shown.aside(session, shown.discovered(candidates))
    answers = asking.completed(present, candidates, answers, options, ask=ask and not dry_run, yes=yes or dry_run)
    plan = make(box, answers, present)
    shown.aside(session, shown.taken(plan))
    if dry_run:
        return shown.planned(plan, exit_code=exit_code)
    if plan.needed:
        confirm("this will set up this box" if present.is_new else "this will change this box", yes=yes, goes=shown.lines(plan))
    with signals_noted() as stop:
        return shown.done(carry_out(box, plan, stop=stop))
