"""What admission denies, with what to do, and what it changes in our pods: images that were not sent, and pulling at every start. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kelvin_provision.cluster.kubernetes.render.objects import containers_of, image_volumes_of, template_of
from kelvin_provision.cluster.plan import AdmittedImage, describe
from kelvin_provision.spec.workload import Object

HINTS = (
    ("violates PodSecurity", "set in the pod's securityContext what the message names, or have the level of the namespace lowered"),
    ("exceeded quota", "stop a workload or lower its requests, or have the ResourceQuota that the message names raised"),
    ("failed calling webhook", "see whether the pods of the webhook that the message names run: kubectl get pods -A"),
    ("admission webhook", "correct what the webhook that the message names rejects, or have its rule changed"),
    ("AdmissionPolicy", "correct what the policy that the message names rejects, or have the policy changed"),
)
"""By a phrase of the server's denial. More permissions help against none of them."""


def hint_for(message: str) -> str:
    """Empty for a denial of another kind."""
    return next((hint for phrase, hint in HINTS if phrase in message), "")


class _Use(NamedTuple):
    image: str
    policy: str


def changed_images(workload: str, item: Object, sent: Object, answer: Object) -> Iterator[AdmittedImage]:
    """Yield what the cluster changes of the images of `item`. `sent` and `answer`: the item itself, or a pod made from its template.

    Nothing where the images were not pinned: then the cluster pulls them, and admission may do what it likes.
    """
    before, after = _uses(sent), _uses(answer)
    if not before or not all("@" in use.image for use in before.values()):
        return
    for name, use in after.items():
        known = before.get(name)
        added = known is None or known.image != use.image
        always = use.policy == "Always" and (known is None or known.policy not in {"", "Always"})
        if added or always:
            yield AdmittedImage(workload, f"{describe(item)}/{name}", use.image, added=added, always=always)


def _uses(item: Object) -> dict[str, _Use]:
    """By name of the container or volume. A container has the default policy where it names none."""
    template = template_of(item) or {}
    uses = {
        str(each.get("name")): _Use(str(each.get("image") or ""), each.get("imagePullPolicy") or "") for each in containers_of(template)
    }
    for volume in image_volumes_of(template):
        source = volume["image"]
        uses[f"volume {volume.get('name')}"] = _Use(str(source.get("reference") or ""), source.get("pullPolicy") or "")
    return uses
