"""Judging live objects: readiness, failures, rights, room, drift. Pure, but for evidence and waiting."""
