"""Texts in a package: who has which rights in it, and a settings file with every key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kelvin_provision.settings.keys import KEYS
from package.tree.licences import Component

_HEAD = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: kelvin-provision
Comment: The package has an interpreter and libraries of others below {home}.
 They are listed here; the full text of each licence is in the file named.

Files: *
Copyright: the authors of kelvin-provision
License: Apache-2.0

License: Apache-2.0
 On Debian systems, the full text is in /usr/share/common-licenses/Apache-2.0.
"""


def copyright_file(components: Iterable[Component], home: str) -> str:
    """In Debian's format."""
    parts = [_HEAD.format(home=home)]
    for each in components:
        texts = "".join(f"\n {home}/{text}" for text in each.texts) or "\n not in its distribution"
        parts.append(f"Comment: {each.name} {each.version} ({each.kind})\nLicense-Of-It: {each.licence}\nTexts:{texts}\n")
    return "\n".join(parts)


def example() -> str:
    """Every key with its meaning, as comments: as a settings file it sets nothing."""
    head = "## Settings of kelvin-provision: /etc/kelvin-provision/config.yaml. `kelvin-provision config set KEY VALUE` writes it.\n"
    return "".join((head, *_keys()))


def _keys() -> Iterator[str]:
    before: tuple[str, ...] = ()
    for key in KEYS:
        *above, last = (f'"{part}"' if part.startswith("<") else part for part in key.name.split("."))
        for depth, part in enumerate(above):
            if tuple(above[: depth + 1]) != before[: depth + 1]:
                yield f"{'' if depth else chr(10)}# {'  ' * depth}{part}:\n"
        before = tuple(above)
        indent = "  " * len(above)
        yield f"## {key.doc}; {key.type.name}\n# {indent}{last}: {key.default}\n"
