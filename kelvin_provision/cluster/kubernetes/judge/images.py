"""Describes which images desired pods use and how the kubelet pulls them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kelvin_provision.cluster.kubernetes.render.objects import containers_of, image_volumes_of, template_of
from kelvin_provision.cluster.plan import describe
from kelvin_provision.cluster.survey import ImageUse
from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.refs import Reference
from kelvin_provision.spec.workload import Object

PULL_POLICIES = {"Always": "always", "IfNotPresent": "missing", "Never": "never"}


def image_uses(workload: str, objects: Sequence[Object]) -> Iterator[ImageUse]:
    """Yield one entry for each container and each image volume. A missing pull policy is replaced by the server's default."""
    for item in objects:
        template = template_of(item)
        has_login = bool(((template or {}).get("spec") or {}).get("imagePullSecrets"))
        for name, image, given in _images(template or {}):
            host, pinned, mutable = _parse(image)
            policy = PULL_POLICIES.get(given, "always" if mutable else "missing")
            yield ImageUse(workload, f"{describe(item)}/{name}", image, policy, pinned, host, has_login)


def _images(template: Object) -> Iterator[tuple[str, str, str]]:
    """Yield name, image and pull policy."""
    for container in containers_of(template):
        yield str(container.get("name", "?")), str(container.get("image") or ""), container.get("imagePullPolicy") or ""
    for volume in image_volumes_of(template):
        source = volume["image"]
        yield f"volume {volume.get('name', '?')}", str(source.get("reference") or ""), source.get("pullPolicy") or ""


def always_verified(uses: Iterable[ImageUse], kubelet: Object) -> frozenset[str]:
    """Images whose use the kubelet has confirmed by their registry although they are on the node, by its configuration (KEP-2535)."""
    policy, listed = kubelet.get("imagePullCredentialsVerificationPolicy"), kubelet.get("preloadedImagesVerificationAllowlist") or ()
    if policy == "AlwaysVerify":
        return frozenset(use.image for use in uses)
    if policy == "NeverVerifyAllowlistedImages":
        return frozenset(use.image for use in uses if not any(_covers(str(entry), use.image) for entry in listed))
    return frozenset()


def _covers(entry: str, image: str) -> bool:
    """An entry is a repository, or ends with `/*`."""
    try:
        host, repository = _repository(image)
        return f"{host}/{repository}".startswith(entry[:-1]) if entry.endswith("/*") else _repository(entry) == (host, repository)
    except ReferenceInvalid:
        return False


def _repository(image: str) -> tuple[str, str]:
    reference = Reference.parse(image)
    return reference.host, reference.repository


def _parse(image: str) -> tuple[str, bool, bool]:
    """Return the registry, whether the image is pinned by digest, and whether its tag is mutable."""
    try:
        reference = Reference.parse(image)
    except ReferenceInvalid:
        return "", False, True
    return reference.host, reference.digest is not None, reference.mutable
