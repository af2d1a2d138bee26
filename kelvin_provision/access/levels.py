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
    Level.READ: "look: lists, workloads, logs, history, images, the health of the box",
    Level.OPERATE: "and apply, schedule, start, stop, roll back, hold, remove a staged version, verify images",
    Level.DEPLOY: "and deploy, change the configuration, download",
    Level.ADMIN: "and undeploy, which deletes data, prune, manage users and tokens, read the settings, make a support bundle",
}
"""What a level adds to the one before."""
