"""Whether somebody listens on a socket of this box, asked without any client library."""

from __future__ import annotations

import os
import socket

DOCKER = "unix:///var/run/docker.sock"


def knock(url: str | None, default: str = DOCKER) -> None:
    """Connect to a `unix://` URL (None: DOCKER_HOST, else `default`) and hang up; raises OSError. Other URLs are not tried.

    The docker SDK loses its socket and the reason when there is nobody; this says `No such file` or `Permission denied` at once.
    """
    place = url or os.environ.get("DOCKER_HOST") or default
    if place.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(10.0)
            probe.connect(place.removeprefix("unix://"))
