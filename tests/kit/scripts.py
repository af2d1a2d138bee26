"""Executable shell scripts, for hooks."""


def script(folder, name, body, mode=0o755):
    path = folder / name
    path.parent.mkdir(mode=0o755, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(mode)
    return path
