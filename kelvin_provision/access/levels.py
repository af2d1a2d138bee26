"""Levels of access. Each may do all that the one before may."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    READ = "read"
    OPERATE = "operate"
    DEPLOY = "deploy"
    ADMIN = "admin"

    def allows(self, needed: Level) -> bool:
        order = list(Level)
        return order.index(self) >= order.index(needed)


MEANINGS = {
    Level.READ: "look: lists, workloads, logs, history",
    Level.OPERATE: "and apply, start, stop, roll back, hold, remove a staged version",
    Level.DEPLOY: "and deploy, change the configuration, download",
    Level.ADMIN: "and undeploy, which deletes data, and manage users and tokens",
}
"""What a level adds to the one before."""
