"""How long the program waits, in seconds. One value, so that a test may be in a hurry without touching a module."""

from __future__ import annotations

from dataclasses import field

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.retry import Backoff


@dataclass(frozen=True)
class Timings:
    """Constants of the program, not settings: there is no reason to change them on a box."""

    poll: float = 0.5
    """Between two looks at whether the ledger has changed."""
    ledger_busy: float = 30.0
    """How long another writer of the ledger is waited for; its transactions take milliseconds."""
    follow: float = 0.25
    """Between two looks of a command that follows a download or an apply."""
    agent_retry: float = 10.0
    """After which the agent tries unfinished work again although nothing has changed."""
    agent_goodbye: float = 1.0
    """That the reconciler gets to end with its agent; its work may be cut off anywhere."""
    agent_linger: float = 5.0
    """That an agent which would end, as there is no workload, waits for a question after its start and after the last one."""
    agent_place: float = 1.0
    """Between two looks at whether the state directory is still the one that the agent was started with."""
    systemd_status: float = 5.0
    """Between two looks at what systemd should show as the agent's status."""
    lock_wait_agent: float = 5.0
    """How long the agent waits for a command to give the operator lock back before it defers its apply to the next turn."""
    lock_wait_command: float = 60.0
    """How long a command waits for the agent to give the operator lock back. It does not wait for another command."""
    reconcile_settle: float = 0.5
    """From the first change on the cluster to the look at it: one rollout is many events."""
    reconcile_share: float = 20.0
    """A look is followed by a pause of this many times its own length, so that a crash loop does not keep the agent busy."""
    reconcile_look: float = 60.0
    """After which the cluster is observed although it reported no change."""
    reconcile_images: float = 30.0
    """Between two checks that all images are present and pinned."""
    reconcile_images_thorough: float = 3600.0
    """Between two checks that inspect every image instead of listing the pinned ones."""
    member_grace: float = 600.0
    """That a member keeps images after its leader has stopped wanting some, and after its own start, unless it needs their space."""
    member_verify: float = 86_400.0
    """Between two times that a member hashes every blob of its store again: what a disk has lost is fetched from its peers."""
    reconcile_pause: float = 10.0
    """After a watch that the cluster refused."""
    staging: Backoff = field(default_factory=lambda: Backoff(first=0.5, cap=10.0, deadline=30.0))
    """How long one turn tries to stage a workload before the next workload gets its turn."""
    staging_turn: float = 60.0
    """How long a workload receives bytes before another that waits gets its turn."""
    trial: float = 300.0
    """How long the cluster is asked what it would refuse of the staged versions; below what the agent's watchdog allows."""
    rehearsal_end: float = 90.0
    """How long a change waits for a rehearsal to take itself away; that is a matter of seconds."""
