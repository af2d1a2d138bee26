"""A kubeconfig as k3s and kubeadm write it: a server, its authority, and a certificate or a token. Everything else is the library's."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_OF_CLUSTER = {"server", "certificate-authority-data", "certificate-authority"}
_OF_USER = {"client-certificate-data", "client-key-data", "client-certificate", "client-key", "token"}


@dataclass(frozen=True)
class Plain:
    """PEM bytes, and a token or nothing. What is secret is not shown where this is printed."""

    server: str
    authority: bytes
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)


def plain(path: Path, context: str | None) -> Plain | None:
    """The login of a context; None for a file with anything that is not plain, or is not right: the library knows, and says, more."""
    import yaml

    try:
        document = yaml.safe_load(path.read_bytes())
        named = {kind: {one["name"]: one[kind.removesuffix("s")] for one in document[kind]} for kind in ("contexts", "users", "clusters")}
        chosen = named["contexts"][context or document["current-context"]]
        cluster, user = named["clusters"][chosen["cluster"]], named["users"][chosen["user"]]
        if not (set(cluster) <= _OF_CLUSTER and set(user) <= _OF_USER and str(cluster["server"]).startswith("https://")):
            return None
        found = Plain(
            str(cluster["server"]).rstrip("/"),
            _content(cluster, "certificate-authority", path),
            _content(user, "client-certificate", path),
            _content(user, "client-key", path),
            str(user.get("token") or ""),
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
        return None
    return found if found.authority and bool(found.certificate) == bool(found.key) and (found.key or found.token) else None


def _content(given: Mapping[str, Any], name: str, beside: Path) -> bytes:
    if given.get(f"{name}-data"):
        return base64.b64decode(given[f"{name}-data"])
    return (beside.parent / given[name]).read_bytes() if given.get(name) else b""
