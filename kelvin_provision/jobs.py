"""The jobs of the agent: what takes minutes, has a large answer, or needs modules that the agent should not keep. See `agent.jobs`.

`python -m kelvin_provision.jobs`: a line of JSON on standard input, which stays open for as long as the job may work; lines of JSON on
standard output. Each has `data` (a part of a file, base64) or `progress`; the last one has `result` or `error`.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kelvin_provision.agent.jobs import Jobs
from kelvin_provision.agent.lifecycle.launcher import same_box
from kelvin_provision.context import Context, NoLauncher, opened
from kelvin_provision.errors import ProvisionError
from kelvin_provision.errors.documents import to_document
from kelvin_provision.events import Advanced, Event, Progress
from kelvin_provision.files.durable import ours
from kelvin_provision.files.processes import own_process
from kelvin_provision.hints import pasted
from kelvin_provision.masking.redactor import mask_text
from kelvin_provision.settings.model import Settings
from kelvin_provision.wiring import default

if TYPE_CHECKING:
    from kelvin_provision.bundles.inspection import BundlePlace
    from kelvin_provision.settings.load import Loaded

Line = dict[str, Any]
Job = Callable[["Place", Mapping[str, Any]], Iterator[Line]]
_EVERY = 1.0
"""Seconds between two lines of progress."""


class Place:
    """Which box: as the command line of the agent says it."""

    def __init__(self, words: list[str]) -> None:
        given = dict(zip(words[::2], words[1::2], strict=True))
        self.state_dir = Path(given["--state-dir"])
        self.config = Path(given["--config"]) if "--config" in given else None
        self.is_root = os.geteuid() == 0

    @property
    def loaded(self) -> Loaded:
        from kelvin_provision.settings.load import load

        return load(config=self.config, state_dir=self.state_dir, environ=os.environ, is_root=self.is_root)

    @contextmanager
    def opened(self, settings: Settings | None = None) -> Iterator[Context]:
        with opened(settings or self.loaded.settings, default(NoLauncher())) as ctx:
            yield ctx


def _support_bundle(place: Place, _arguments: Mapping[str, Any]) -> Iterator[Line]:
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


def _verify_images(place: Place, _arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `images verify`. Its progress is written by the way, at most once in `_EVERY`."""
    from kelvin_provision.images import verify

    with place.opened() as ctx:
        result = verify.run(ctx.ledger, ctx.store, lambda: ctx.runtime, _told_now_and_then())
    yield {"result": result.to_json()}


def _told_now_and_then() -> Progress:
    written_at = time.monotonic()

    def progress(event: Event) -> None:
        nonlocal written_at
        if isinstance(event, Advanced) and time.monotonic() - written_at > _EVERY:
            written_at = time.monotonic()
            _write({"progress": {"done": event.done, "total": event.total}})

    return progress


def _doctor(place: Place, arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `doctor`: also of a box whose settings cannot be read any more."""
    from kelvin_provision.checks import doctor
    from kelvin_provision.checks.configuration import tolerant
    from kelvin_provision.queries.checks import ChecksResult

    configuration = tolerant(config=place.config, state_dir=place.state_dir, environ=os.environ, is_root=place.is_root)
    with place.opened(configuration.settings) as ctx:
        lines = doctor.run(ctx, configuration, online=arguments.get("online") is True)
    yield {"result": ChecksResult(lines).to_json(pasted)}


def _settings(place: Place, _arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `config show` and `config path`, without the logins inside of addresses."""
    from kelvin_provision.settings.sources import places
    from kelvin_provision.usecases.config import shown_files, shown_settings

    files = shown_files(places(place.config, os.environ, is_root=place.is_root))
    yield {"result": {"settings": shown_settings(place.loaded.origins), "files": files}}


def _verify_history(place: Place, _arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `workloads history --verify`: every line, those in files too."""
    from kelvin_provision.queries.history import verify_history

    with place.opened() as ctx:
        yield {"result": asdict(verify_history(ctx))}


def _media(place: Place, _arguments: Mapping[str, Any]) -> Iterator[Line]:
    """The bundles on media that are in this box. A stick may be slow, or hang: nothing of the agent waits for it."""
    from kelvin_provision.bundles.on_media import on_media
    from kelvin_provision.media.arrivals import present

    folders = place.loaded.settings.media.folders
    with place.opened(place.loaded.settings) as ctx:
        arrivals = [arrival.to_json() for arrival in present(ctx.ledger)]
    bundles = [bundle.to_json() for bundle in on_media(folders)]
    yield {"result": {"bundles": bundles, "folders": [str(folder) for folder in folders], "arrived": arrivals}}


def _inspect_bundle(place: Place, arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `bundle inspect`, of an `upload`, or of the bundle with the digest `medium`; and what an import would do, or why it cannot."""
    from kelvin_provision.bundles.inspection import inspect
    from kelvin_provision.usecases.bundles.importing import ImportRequest, plan

    settings = place.loaded.settings
    where = _bundle(settings, arguments)
    with place.opened(settings) as ctx:
        shown = inspect(where, ctx.trust)
        try:
            planned, obstacle = plan(ctx, ImportRequest(where.places, where.expect), shown).to_json(), None
        except ProvisionError as error:
            planned, obstacle = None, to_document(error)
    yield {"result": {**shown.to_json(), "import": planned, "obstacle": obstacle}}


def _import_bundle(place: Place, arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `bundle import`, of the same, in the name of `actor`."""
    from kelvin_provision.usecases.bundles.importing import ImportRequest, carry_out, plan
    from kelvin_provision.usecases.bundles.uploaded import remove_staged

    settings = place.loaded.settings
    where = _bundle(settings, arguments)
    flags = {name: arguments.get(name) is True for name in ("images_only", "allow_older")}
    request = ImportRequest(where.places, where.expect, where.digest, **flags)
    with place.opened(settings) as opened_box:
        ctx = replace(opened_box, actor=str(arguments["actor"]))
        done = carry_out(ctx, plan(ctx, request))
        remove_staged(ctx)  # of images alone everything is copied now, without a word to the agent
    batch = done.revisions[0].batch if done.revisions else ""
    yield {"result": {**done.to_json(), "warnings": list(done.warnings), "batch": batch}}


def _verify_bundle(place: Place, arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `bundle verify`, of the same."""
    from kelvin_provision.bundles.inspection import verified

    settings = place.loaded.settings
    with place.opened(settings) as ctx:
        trust = ctx.trust
    yield {"result": verified(_bundle(settings, arguments), trust, _told_now_and_then()).to_json()}


def _make_package(place: Place, arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `workloads download`, for the API: what is not in the store already is kept in a small file."""
    from kelvin_provision.usecases.bundles.packable import PackageRequest
    from kelvin_provision.usecases.bundles.preparing import prepare

    request = PackageRequest(str(arguments["name"]), arguments.get("running") is True)
    progress = _told_now_and_then()
    with place.opened() as ctx:
        yield {"result": prepare(ctx, request, lambda done, total: progress(Advanced("the package", done, total)))}


def _follow(place: Place, arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `follow now`, of these publications or all. What is wrong with one is part of the result."""
    from kelvin_provision.following.taking import take_all

    with place.opened() as ctx:
        taken = take_all(ctx, tuple(map(str, arguments.get("publications", ()))))
    yield {"result": [each.to_json() | {"error": to_document(each.error) if each.error else None} for each in taken]}


def _report(place: Place, _arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `follow send`."""
    from kelvin_provision.following.reporting import send_report

    with place.opened() as ctx:
        sent = send_report(ctx)
    yield {"result": {"repository": sent.repository, "tag": sent.tag, "digest": sent.digest}}


def _bundle(settings: Settings, arguments: Mapping[str, Any]) -> BundlePlace:
    """No path comes from afar. What a path leads to may have changed when it is read: the digest that a bundle was named by goes along."""
    from kelvin_provision.bundles.inspection import BundlePlace
    from kelvin_provision.bundles.on_media import place_of
    from kelvin_provision.uploads.checking import checked_content
    from kelvin_provision.uploads.folder import Uploads

    expect = arguments.get("expect") or ""
    if identifier := arguments.get("upload"):
        return BundlePlace((checked_content(Uploads(settings.state_dir), str(identifier)),), expect)
    digest = str(arguments["medium"])
    return BundlePlace((place_of(settings.media.folders, digest),), expect, digest)


JOBS: Mapping[str, Job] = MappingProxyType(
    {
        "doctor": _doctor,
        "follow": _follow,
        "import-bundle": _import_bundle,
        "inspect-bundle": _inspect_bundle,
        "make-package": _make_package,
        "media": _media,
        "report": _report,
        "settings": _settings,
        "support-bundle": _support_bundle,
        "verify-bundle": _verify_bundle,
        "verify-history": _verify_history,
        "verify-images": _verify_images,
    }
)


def of_box(state_dir: Path, config: Path | None) -> Jobs:
    """The jobs of an agent on this box."""
    return Jobs(frozenset(JOBS), (*own_process("kelvin_provision.jobs"), *same_box(state_dir, config)))


def _write(line: Line) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _end_with_input() -> None:
    """The input is closed when the client has gone, or the agent: there is nothing to be tidied up."""
    os.read(0, 1)
    os._exit(0)


def main(words: list[str]) -> int:
    asked = json.loads(os.read(0, 1 << 16))
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        for line in JOBS[asked["question"]](Place(words), asked["arguments"]):
            _write(line)
    except BrokenPipeError:
        os._exit(0)
    except Exception as error:  # noqa: BLE001  (also a bug of ours, contained to the job)
        _write({"error": to_document(ours(error, mask_text))})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
