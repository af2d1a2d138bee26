"""Enums whose values are those of the platform's JSON."""

from __future__ import annotations

import re
from enum import StrEnum

NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
NAME_LENGTH = 32


class Method(StrEnum):
    """Deployment methods (DESIGN section 4)."""

    STANDARD = "standard"
    INSTANT = "staged+instant-apply"
    STAGED = "staged-only"

    @property
    def staged(self) -> bool:
        """Whether images are downloaded before anything is applied."""
        return self is not Method.STANDARD

    @property
    def instantly_apply(self) -> bool:
        """Whether it is applied without `workloads apply`."""
        return self is not Method.STAGED


class Download(StrEnum):
    """Stored download state of a revision (DESIGN section 5): pending until the agent has taken it."""

    PENDING = "pending"
    RECEIVED = "received"
    PROCESSING = "processing"
    DOWNLOADING = "downloading"
    READY = "ready"
    FAILED = "failed"


class State(StrEnum):
    """`status.state` of a workload, as defined by the platform."""

    PENDING_DEPLOY = "pending_deploy"
    PENDING_APPLY = "pending_apply"
    PENDING_START = "pending_start"
    PENDING_STOP = "pending_stop"
    RECEIVED = "received"
    DOWNLOADING = "downloading"
    READY = "ready"
    STAGED = "staged"
    DEPLOYING = "deploying"
    STARTING = "starting"
    STOPPING = "stopping"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    UNREACHABLE = "unreachable"

    @property
    def message(self) -> str:
        """The state in the words of the platform."""
        if self is State.PENDING_DEPLOY:
            return "Pending for deploy"
        return self.value.replace("_", " ").capitalize()


class ProbeKind(StrEnum):
    HTTP = "http_get"
    TCP = "tcp_socket"
    EXEC = "exec"


class VolumeKind(StrEnum):
    TEXT = "text"
    HOST = "host"
    PERSISTENT = "persistent"
    SECRET = "secret"  # noqa: S105  (a kind, not a password)
