"""Jobs about bundles: on media, uploaded, and packages that are made for clients of the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kelvin_provision.errors import ProvisionError
from kelvin_provision.errors.documents import to_document
from kelvin_provision.events import Advanced
from kelvin_provision.jobs.place import Line, Place, occasional_progress
from kelvin_provision.settings.model import Settings

if TYPE_CHECKING:
    from kelvin_provision.bundles.inspection import BundlePlace


def media(place: Place, _arguments: Mapping[str, Any]) -> Iterator[Line]:
    """The bundles on media that are in this box. A stick may be slow, or hang: nothing of the agent waits for it."""
    from kelvin_provision.bundles.on_media import on_media
    from kelvin_provision.media.arrivals import present

    folders = place.loaded.settings.media.folders
    with place.opened(place.loaded.settings) as ctx:
        arrivals = [arrival.to_json() for arrival in present(ctx.ledger)]
    bundles = [bundle.to_json() for bundle in on_media(folders)]
    yield {"result": {"bundles": bundles, "folders": [str(folder) for folder in folders], "arrived": arrivals}}


def inspect_bundle(place: Place, arguments: Mapping[str, Any]) -> Iterator[Line]:
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


def import_bundle(place: Place, arguments: Mapping[str, Any]) -> Iterator[Line]:
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


def verify_bundle(place: Place, arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `bundle verify`, of the same."""
    from kelvin_provision.bundles.inspection import verified

    settings = place.loaded.settings
    with place.opened(settings) as ctx:
        trust = ctx.trust
    yield {"result": verified(_bundle(settings, arguments), trust, occasional_progress()).to_json()}


def make_package(place: Place, arguments: Mapping[str, Any]) -> Iterator[Line]:
    """As `workloads download`, for the API: what is not in the store already is kept in a small file."""
    from kelvin_provision.usecases.bundles.packable import PackageRequest
    from kelvin_provision.usecases.bundles.preparing import prepare

    request = PackageRequest(str(arguments["name"]), arguments.get("running") is True)
    progress = occasional_progress()
    with place.opened() as ctx:
        yield {"result": prepare(ctx, request, lambda done, total: progress(Advanced("the package", done, total)))}


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
