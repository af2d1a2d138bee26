"""Describes which images desired pods use and how the kubelet pulls them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kelvin_provision.cluster.kubernetes.render.objects import containers_of, template_of
from kelvin_provision.cluster.plan import describe
from kelvin_provision.cluster.survey import ImageUse
from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.refs import Reference
from kelvin_provision.spec.workload import Object

PULL_POLICIES = {"Always": "always", "IfNotPresent": "missing", "Never": "never"}


def image_uses(workload: str, objects: Sequence[Object]) -> Iterator[ImageUse]:
    """Yield one entry for each container. A missing pull policy is replaced by the server's default."""
    for item in objects:
        template = template_of(item)
        has_login = bool(((template or {}).get("spec") or {}).get("imagePullSecrets"))
        for container in containers_of(template) if template else ():
            image = str(container.get("image") or "")
            host, pinned, mutable = _parse(image)
            policy = PULL_POLICIES.get(container.get("imagePullPolicy") or "", "always" if mutable else "missing")
            yield ImageUse(workload, f"{describe(item)}/{container.get('name', '?')}", image, policy, pinned, host, has_login)


def _parse(image: str) -> tuple[str, bool, bool]:
    """Return the registry, whether the image is pinned by digest, and whether its tag is mutable."""
    try:
        reference = Reference.parse(image)
    except ReferenceInvalid:
        return "", False, True
    return reference.host, reference.digest is not None, reference.mutable
