"""Stage workloads in the background, or apply them at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from kelvin_provision.cli.session import Session
from kelvin_provision.report import Report
from kelvin_provision.spec.words import Method


@dataclass(frozen=True)
class Asked:
    """The command line as a value. `files` may hold `-` for standard input; what was not given is None or empty."""

    files: tuple[Path, ...] = ()
    app_name: str | None = None
    app_version: str | None = None
    name: str | None = None
    title: str | None = None
    payload: Path | None = None
    cluster_name: str | None = None
    manifests: tuple[Path, ...] = ()
    staged: bool | None = None
    instantly_apply: bool | None = None
    deployment_type: Method | None = None
    allow_latest: bool = False
    wait: bool = False
    timeout: float | None = None


_FILE = typer.Option(
    "-f", "--file", metavar="FILE", help="A request in YAML or JSON, `-` for standard input; may be repeated.", allow_dash=True
)
_PAYLOAD = typer.Option("--payload", metavar="FILE", help="The app's manifest: its app.yaml.")
_MANIFEST = typer.Option("--manifest", metavar="FILE", help="Plain Kubernetes objects instead of an app; may be repeated.")
_STAGED = typer.Option("--staged/--no-staged", help="Download all images before anything is applied.")
_INSTANTLY = typer.Option("--instantly-apply/--no-instantly-apply", help="Apply as soon as it can be, or wait for `workloads apply`.")
_METHOD = typer.Option("--deployment-type", help="The same as the two before, in one word.")
_LATEST = typer.Option("--allow-latest", help="Stage an image whose tag may move: `latest`, or none.")
_WAIT = typer.Option("--wait", help="Follow it until it is ready, or runs.")
_TIMEOUT = typer.Option("--timeout", metavar="SECONDS", min=0, help="With --wait: give up following; the work goes on.")


def command(
    session: Session,
    *,
    file: Annotated[list[Path] | None, _FILE] = None,
    app_name: Annotated[str | None, typer.Option("--app-name", metavar="NAME", help="The app, as it is called in the registry.")] = None,
    app_version: Annotated[str | None, typer.Option("--app-version", metavar="VERSION", help="The app's version.")] = None,
    name: Annotated[str | None, typer.Option("-n", "--name", metavar="NAME", help="The workload; made up when absent.")] = None,
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT", help="The workload in words for people.")] = None,
    payload: Annotated[Path | None, _PAYLOAD] = None,
    cluster_name: Annotated[str | None, typer.Option("--cluster-name", metavar="NAME", help="The cluster that it is meant for.")] = None,
    manifest: Annotated[list[Path] | None, _MANIFEST] = None,
    staged: Annotated[bool | None, _STAGED] = None,
    instantly_apply: Annotated[bool | None, _INSTANTLY] = None,
    deployment_type: Annotated[Method | None, _METHOD] = None,
    allow_latest: Annotated[bool, _LATEST] = False,
    wait: Annotated[bool, _WAIT] = False,
    timeout: Annotated[float | None, _TIMEOUT] = None,
) -> Report:
    """Stage workloads in the background, or apply them at once.

    Requests come from files, or one comes from the options. All of them are accepted or none is. What runs is not touched
    by a staged request.
    """
    asked = Asked(
        files=tuple(file or ()),
        app_name=app_name,
        app_version=app_version,
        name=name,
        title=title,
        payload=payload,
        cluster_name=cluster_name,
        manifests=tuple(manifest or ()),
        staged=staged,
        instantly_apply=instantly_apply,
        deployment_type=deployment_type,
        allow_latest=allow_latest,
        wait=wait,
        timeout=timeout,
    )
    return deploy(session, asked)


def deploy(session: Session, asked: Asked) -> Report:
    """The one call."""
    raise NotImplementedError(session, asked)  # lead
