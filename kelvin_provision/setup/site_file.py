"""The text of the settings file: a new one with a comment for each key, an existing one edited in place. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kelvin_provision.settings import keys
from kelvin_provision.settings.edit import edited, format_value

HEAD = """\
# Settings of this box, written by `kelvin-provision setup`.
# Change one: kelvin-provision config set KEY VALUE. All of them with their meaning: kelvin-provision config show -o wide
"""


def text_with(name: str, before: str, values: Mapping[str, Any]) -> str:
    """The file with these settings, by key. What it had is kept, with its order and comments. Raises SettingsInvalid."""
    if not before.strip():
        return _new(values) if values else before or HEAD
    text = before
    for key, value in values.items():
        text = edited(name, text, keys.find(key)[1], value)
    return text


def _new(values: Mapping[str, Any]) -> str:
    """Keys of one section stand together, each below its meaning."""
    sections: dict[str, list[tuple[str, Any]]] = {}
    for key, value in values.items():
        sections.setdefault(key.partition(".")[0], []).append((key, value))
    parts = [HEAD]
    for section, entries in sections.items():
        nested = entries[0][0] != section
        lines = [f"{section}:\n"] if nested else []
        for key, value in entries:
            indent = "  " if nested else ""
            lines.append(f"{indent}# {keys.find(key)[0].doc}\n{indent}{key.rpartition('.')[2]}: {format_value(value)}\n")
        parts.append("".join(lines))
    return "\n".join(parts)
