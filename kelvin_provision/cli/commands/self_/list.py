"""List the versions of this program that are installed."""

from __future__ import annotations

from kelvin_provision.cli.frame.session import Session
from kelvin_provision.cli.render.report import SCHEMA, Report, Table


def command(session: Session) -> Report:  # noqa: ARG001  (every command gets one)
    """List the versions of this program that are installed.

    The self-extracting file keeps the version before; `self rollback` leads to it.
    """
    from kelvin_provision.installation.trees import prefix_of, trees

    versions = trees(prefix_of())
    documents = [
        {
            "version": tree.version,
            "commit": tree.commit,
            "architecture": tree.architecture,
            "path": str(tree.path),
            "current": tree.current,
            "previous": tree.previous,
        }
        for tree in versions
    ]
    state = ["current" if tree.current else "previous" if tree.previous else "-" for tree in versions]
    rows = [(tree.version, each, tree.architecture, tree.commit[:8], str(tree.path)) for tree, each in zip(versions, state, strict=True)]
    table = Table(("version", "state", "architecture", "commit", "path"), rows, wide=frozenset({"commit", "path"}))
    return Report(
        "self list", table=table, document={"schema": SCHEMA, "versions": documents}, names=tuple(tree.version for tree in versions)
    )
