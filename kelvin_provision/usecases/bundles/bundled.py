"""The requests of a bundle as this box takes them, and the locks of their images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kelvin_provision.bundles.model import Contents
from kelvin_provision.bundles.reader import Bundle
from kelvin_provision.errors import ClusterMissing, ImageNotFound, PermissionRefused, RequestRefused, RuntimeUnreachable
from kelvin_provision.media.source import images_of as bundled
from kelvin_provision.media.source import resolve_bundled
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.registry.protocol import Resolved
from kelvin_provision.runtimes.protocol import Runtime, RuntimeInfo
from kelvin_provision.settings.model import Settings
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.images import images_of
from kelvin_provision.spec.lock import ImageLock
from kelvin_provision.spec.media_types import ANYTHING
from kelvin_provision.spec.workload import Spec
from kelvin_provision.staging.importing import refuse_digests
from kelvin_provision.staging.variants import with_variants
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.requests import RequestFile, SignedRequest
from kelvin_provision.usecases.deploy import DeployRequest, accepted, read_signed

_REGISTRIES = 8


@dataclass(frozen=True)
class Requests:
    """`signed` says for each workload who signed its request."""

    specs: tuple[Spec, ...] = ()
    signed: Mapping[str, SignedRequest] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def requests_of(bundle: Bundle, settings: Settings, trust: Trust, *, allow_latest: bool) -> Requests:
    """All of them, checked as a deploy checks them. Raises RequestRefused, SecretMissing, SignatureMissing, BundleDamaged, MediumGone."""
    requests = bundle.contents.requests
    if not requests:
        return Requests()
    files = [
        RequestFile(request.name, bundle.content(request.content), bundle.content(request.signature) if request.signature else None)
        for request in requests
    ]
    documents, signed = read_signed(trust, files)
    checked = _accepted(bundle.contents, settings, DeployRequest(documents, allow_latest=allow_latest, signed=signed))
    signers = {spec.name: by for spec, document in zip(checked.specs, documents, strict=True) if (by := signed.get(document.file))}
    specs = tuple(_staged(spec, bundle.contents) for spec in checked.specs)
    return Requests(specs, signers, checked.warnings)


def _staged(spec: Spec, contents: Contents) -> Spec:
    """A standard deploy has the cluster pull its images; what came on a medium is staged, and applied as soon as it is ready."""
    return replace(spec, method=Method.INSTANT) if spec.method is Method.STANDARD and _all_bundled(spec, contents) else spec


def _all_bundled(spec: Spec, contents: Contents) -> bool:
    return all(bundled(contents, Reference.parse(image)) for image in images_of(spec))


def _accepted(contents: Contents, settings: Settings, request: DeployRequest) -> Requests:
    """With the registry of this box, or with the one that the bundle's images came from, where only those names are in it."""
    refused: RequestRefused | None = None
    results: list[Requests] = []
    for registry in _registries(contents, settings):
        try:
            checked = accepted(replace(settings, registry=registry), request)
        except RequestRefused as error:
            refused = refused or error
            continue
        result = Requests(checked.specs, warnings=checked.warnings)
        if all(_all_bundled(spec, contents) for spec in checked.specs):
            return result
        results.append(result)
    if results:
        return results[0]
    assert refused is not None  # noqa: S101  (there is at least one registry to try)
    raise refused


def _registries(contents: Contents, settings: Settings) -> Iterator[str | None]:
    """Of images `<registry>/<app_name>:<app_version>`."""
    yield settings.registry
    prefixes = dict.fromkeys(image.reference.name.rpartition("/")[0] for image in contents.images)
    yield from [prefix for prefix in prefixes if prefix != settings.registry][:_REGISTRIES]


@dataclass(frozen=True)
class Box:
    """What images must fit. `info` is None where the runtime does not answer: then only the platform is known."""

    platform: Platform
    info: RuntimeInfo | None = None
    runtime: Runtime | None = None
    others: tuple[Platform, ...] = ()
    """Of nodes that it leads."""


def locks_of(bundle: Bundle, references: Sequence[Reference], box: Box) -> tuple[dict[Reference, ImageLock], tuple[Reference, ...]]:
    """The locks of the images that the bundle has, and the references that it does not have.

    Raises PlatformMissing, ImageUnsupported, ManifestInvalid, BundleInvalid, BundleDamaged, MediumGone.
    """
    locks: dict[Reference, ImageLock] = {}
    others = []
    support = box.info.support if box.info else ANYTHING

    def resolve(reference: Reference, platform: Platform) -> Resolved:
        return resolve_bundled(bundle.contents, bundle.document, reference, platform, support)

    for reference in references:
        try:
            locks[reference] = with_variants(resolve(reference, box.platform), box.others, resolve).lock
        except ImageNotFound:
            others.append(reference)
            continue
        if box.runtime is not None:
            box.runtime.check(locks[reference])
    return locks, tuple(others)


def locks_by_workload(
    specs: Sequence[Spec], locks: Mapping[Reference, ImageLock], info: RuntimeInfo | None
) -> dict[str, tuple[ImageLock, ...]]:
    """The locks of each workload of which all images are locked. Raises ImageUnsupported."""
    result = {}
    for spec in specs:
        references = [Reference.parse(image) for image in images_of(spec)]
        if info is not None and references and all(reference in locks for reference in references):
            refuse_digests(spec, info)
            result[spec.name] = tuple(dict.fromkeys(locks[reference] for reference in references))
    return result


def box_of(runtime: Callable[[], Runtime]) -> Box:
    """As its runtime says, or as this machine is."""
    try:
        opened = runtime()
        info = opened.info()
    except (RuntimeUnreachable, PermissionRefused, ClusterMissing):
        return Box(Platform.of_this_host())
    return Box(info.platform, info, opened)
