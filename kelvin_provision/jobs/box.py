"""Jobs about the box itself: its health, settings, history and images, the support bundle, and the publications that it follows."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from kelvin_provision.connections import NoLauncher
from kelvin_provision.errors.documents import to_document
from kelvin_provision.hints import pasted
from kelvin_provision.jobs.place import Line, Place, occasional_progress
from kelvin_provision.wiring import default


def support_bundle(place: Place, _arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `support-bundle`, in parts. The first line has its name."""
    from kelvin_provision.support.bundle import bundle_of
    from kelvin_provision.support.sections import SupportRequest, SupportScope

    request = SupportRequest(lambda _: default(NoLauncher()), pasted, os.environ, place.is_root, place.config, place.state_dir)
    with bundle_of(SupportScope(request), lambda: False) as bundle:
        yield {"progress": {"name": bundle.folder}}
        for chunk in bundle.chunks():
            if chunk:
                yield {"data": base64.b64encode(chunk).decode()}
        yield {"result": {"files": len(bundle.files), "missing": dict(bundle.missing)}}


def verify_images(place: Place, _arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `images verify`. Its progress is written by the way, at most once in `_EVERY`."""
    from kelvin_provision.images import verify

    with place.opened() as ctx:
        result = verify.run(ctx.ledger, ctx.store, lambda: ctx.runtime, occasional_progress())
    yield {"result": result.to_json()}


def doctor(place: Place, arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `doctor`: also of a box whose settings cannot be read any more."""
    from kelvin_provision.checks import doctor
    from kelvin_provision.checks.configuration import tolerant
    from kelvin_provision.queries.checks import ChecksResult

    configuration = tolerant(config=place.config, state_dir=place.state_dir, environ=os.environ, is_root=place.is_root)
    with place.opened(configuration.settings) as ctx:
        lines = doctor.run(ctx, configuration, online=arguments.get("online") is True)
    yield {"result": ChecksResult(lines).to_json(pasted)}


def settings(place: Place, _arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `config show` and `config path`, without the logins inside of addresses."""
    from kelvin_provision.settings.sources import places
    from kelvin_provision.usecases.config import shown_files, shown_settings

    files = shown_files(places(place.config, os.environ, is_root=place.is_root))
    yield {"result": {"settings": shown_settings(place.loaded.origins), "files": files}}


def verify_history(place: Place, _arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `workloads history --verify`: every line, those in files too."""
    from kelvin_provision.queries.history import verify_history

    with place.opened() as ctx:
        yield {"result": asdict(verify_history(ctx))}


def follow(place: Place, arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `follow now`, of these publications or all. What is wrong with one is part of the result."""
    from kelvin_provision.following.taking import take_all

    with place.opened() as ctx:
        taken = take_all(ctx, tuple(map(str, arguments.get("publications", ()))))
    yield {"result": [each.to_json() | {"error": to_document(each.error) if each.error else None} for each in taken]}


def report(place: Place, _arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `follow send`."""
    from kelvin_provision.following.reporting import send_report

    with place.opened() as ctx:
        sent = send_report(ctx)
    yield {"result": {"repository": sent.repository, "tag": sent.tag, "digest": sent.digest}}
