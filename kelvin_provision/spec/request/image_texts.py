"""Texts that look like image references: in arguments, variables, ConfigMaps and custom resources. Pure, and conservative.

Such a text is for a program that creates containers itself. Secrets are never read, nor values whose key sounds like one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kelvin_provision.errors import ReferenceInvalid
from kelvin_provision.refs import Reference
from kelvin_provision.spec.images import pod_of
from kelvin_provision.spec.workload import Object

Path = tuple[str | int, ...]
Texts = Iterator[tuple[Path, str]]

_HOST = r"(?:localhost|(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+|[A-Za-z0-9-]+(?=:[0-9]))(?::[0-9]{1,5})?"
_NAME = r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
_END = r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(?:@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})"
_WITH_HOST = re.compile(rf"(?<![\w./:@%-])({_HOST}/{_NAME}{_END})(?![\w/:@%-])")
"""A host with a dot or a port, a path, and a tag or a digest. No URL: nothing with `//` before it."""

_IN_TEXT = re.compile(r"""(?<![\w.-])([\w.-]*image)["']?[ \t]*[:=][ \t]*["']?([^\s"',;{}\[\]]+)""", re.IGNORECASE)
"""`image: x` in a file, `--sidecar-image=x` in a script."""

_IMAGE_KEY = re.compile(r"(?:.*[-_.])?(?:image|Image|IMAGE)|.*[a-z0-9]Image")
_OPTION = re.compile(r"--?([\w.-]*image)(?:=(.*))?", re.IGNORECASE | re.DOTALL)
_PRIVATE = re.compile(r"pass|secret|token|credential|auth|private|apikey|api_key", re.IGNORECASE)
_OTHER_FILES = re.compile(r"\.(?:avif|bmp|gif|gz|ico|img|iso|jpe?g|png|qcow2|raw|svg|tar|tgz|tiff?|vmdk|webp|zip)$", re.IGNORECASE)
_OTHER_WORDS = frozenset(
    {"auto", "custom", "default", "disabled", "enabled", "false", "image", "latest", "no", "none", "null", "true", "yes"}
)
_TAINTS = frozenset({"NoExecute", "NoSchedule", "PreferNoSchedule"})
"""Effects of taints: `example.com/role:NoSchedule` is none of an image's tags."""

_MOST_CHARACTERS = 1 << 20


def in_object(obj: Object) -> Texts:
    """Each text with its path in the object."""
    kind = str(obj.get("kind"))
    if "Secret" in kind:
        return
    if kind == "ConfigMap":
        yield from _in_value(obj.get("data"), ("data",))
    elif _is_custom(obj):
        for key in obj:
            if key not in {"apiVersion", "kind", "metadata", "status"}:
                yield from _in_value(obj[key], (key,))
    path, pod = pod_of(obj)
    for key in ("initContainers", "containers"):
        for number, container in enumerate(_items(pod.get(key))):
            yield from _in_container(container, (*path, key, number))


def in_payload(payload: Object) -> Texts:
    """In the variables and the configuration of an app manifest of either generation."""
    defaults = _mapping(payload.get("defaults"))
    for path, system in ((("system",), payload.get("system")), (("defaults", "system"), defaults.get("system"))):
        yield from _in_variables(_mapping(system).get("environment_vars"), (*path, "environment_vars"))
    yield from _in_value(defaults.get("configuration"), ("defaults", "configuration"))
    for path, app in ((("app",), payload.get("app")), (("defaults", "app"), defaults.get("app"))):
        yield from _in_value(app, path)


def _is_custom(obj: Object) -> bool:
    """Whether its API group is not one of Kubernetes itself, such as `serving.knative.dev`."""
    group = str(obj.get("apiVersion")).rpartition("/")[0]
    return "." in group and not group.endswith(".k8s.io")


def _in_container(container: Any, path: Path) -> Texts:
    container = _mapping(container)
    for key in ("command", "args"):
        yield from _in_arguments(_items(container.get(key)), (*path, key))
    yield from _in_variables(container.get("env"), (*path, "env"))


def _in_arguments(values: list[Any], path: Path) -> Texts:
    """`--sidecar-image REF` is two of them."""
    option = ""
    for number, value in enumerate(values):
        if isinstance(value, str):
            match = _OPTION.fullmatch(value)
            key, text = (match[1], match[2] or "") if match else (option, value)
            yield from _in_text(text, key, (*path, number))
            option = match[1] if match and match[2] is None else ""


def _in_variables(values: Any, path: Path) -> Texts:
    for number, variable in enumerate(_items(values)):
        value, name = _mapping(variable).get("value"), _mapping(variable).get("name")
        if isinstance(value, str):
            yield from _in_text(value, str(name), (*path, number, "value"))


def _in_value(value: Any, path: Path) -> Texts:
    if isinstance(value, str):
        yield from _in_text(value, str(path[-1]), path)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _in_value(item, (*path, number))
    elif isinstance(value, dict):
        if _IMAGE_KEY.fullmatch(str(path[-1])) and (text := _in_parts(value)):
            yield path, text
            return
        for key, item in value.items():
            yield from _in_value(item, (*path, key))


def _in_parts(value: Object) -> str:
    """`{registry: reg.io, repository: a/b, tag: '1'}`, as charts and their operators write it."""
    registry, repository, tag = value.get("registry"), value.get("repository"), value.get("tag")
    if not isinstance(repository, str) or not isinstance(tag, str) or not tag:
        return ""
    text = f"{f'{registry}/' if isinstance(registry, str) and registry else ''}{repository}:{tag}"
    return text if _is_reference(text) else ""


def _in_text(text: str, key: str, path: Path) -> Texts:
    if _PRIVATE.search(key) or len(text) > _MOST_CHARACTERS:
        return
    if _IMAGE_KEY.fullmatch(key) and _is_named_image(text, key):
        yield path, text
        return
    for match in _WITH_HOST.finditer(text):
        image = match[1].rstrip("._-")
        if image.rpartition(":")[2] not in _TAINTS and _is_reference(image):
            yield path, image
    for match in _IN_TEXT.finditer(text):
        bare = "containers" in text  # elsewhere, `image: word` is prose
        if _IMAGE_KEY.fullmatch(match[1]) and _is_named_image(match[2], match[1] if bare else ""):
            yield path, match[2]


def _is_named_image(text: str, key: str) -> bool:
    """A bare word such as `busybox` counts only where the key is `image` itself."""
    if text.lower() in _OTHER_WORDS or _OTHER_FILES.search(text) or "//" in text or text.isdecimal():
        return False
    return _is_reference(text) and (key == "image" or ":" in text or "/" in text)


def _is_reference(text: str) -> bool:
    try:
        Reference.parse(text)
    except ReferenceInvalid:
        return False
    return True


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
