"""Which tests stay on one worker of pytest-xdist, and which are begun first (docs/adr/0024).

A worker has a Docker Engine, a containerd and a registry of its own, started when its first test needs them; the Kubernetes cluster is
shared. A group is a module, and of a module that plays on several backends, each backend. Tests that take long and need nothing of each
other are groups of their own.
"""

import re

from xdist.scheduler import LoadScopeScheduling

BACKEND = re.compile(
    r"\[(docker\b|kubernetes\b|engine-newer-containerd-store|engine-newer|engine-installed|containerd-(?:installed|newer|given))"
)
APART = ("tests/real/test_story.py", "tests/real/test_availability.py", "tests/real/test_corpus_kubernetes.py")
KILLS = "tests/real/test_kill_matrix.py"
SLOW_UNITS = ("tests/unit/test_agent_", "tests/unit/test_store", "tests/cli/test_list", "tests/cli/test_support", "tests/unit/test_request")


def group_of(nodeid: str) -> str:
    path = nodeid.partition("::")[0]
    if path in APART:
        return nodeid
    backend = BACKEND.search(nodeid) if path.startswith(("tests/real/", "tests/contract/")) else None
    if backend and backend[1].startswith(("engine-", "containerd-")):
        return f"contract {backend[1]}"  # one server for the modules that play on it
    half = "upgrade" if path == KILLS and re.search("an_upgrade_killed|an_undeploy", nodeid) else ""
    return f"{path} {backend[1] if backend else ''} {half}".strip()


def weight(nodeid: str) -> int:
    """Long ones first, so that none of them is begun when the others are done."""
    if nodeid.startswith(KILLS):
        return 0
    if nodeid.startswith("tests/packages/"):
        return 1
    if not nodeid.startswith(("tests/real/", "tests/contract/")) or "fake" in nodeid:
        return 3 if nodeid.startswith(SLOW_UNITS) else 4
    return 1 if "kubernetes" in nodeid or "story" in nodeid else 2


def arranged(nodeids: list[str], workers: int) -> dict[str, int]:
    """The place of each group in the queue.

    A worker takes two groups to begin with and never gives one back: behind a long one of the first must stand a short one.
    """
    groups = list(dict.fromkeys(group_of(nodeid) for nodeid in sorted(nodeids, key=weight)))
    if len(groups) > 2 * workers:
        groups = [*groups[:workers], *groups[-workers:], *groups[workers:-workers]]
    return {group: number for number, group in enumerate(groups)}


class Scheduler(LoadScopeScheduling):
    """`--dist loadgroup` without its marks: pytest-xdist 3.8 cannot write them into the names that pytest 9.2 gives to tests."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
