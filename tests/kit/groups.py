"""Which tests stay on one worker of pytest-xdist, and which are begun first (docs/adr/0024).

A worker has a Docker Engine, a containerd and a registry of its own, started when its first test needs them; the Kubernetes cluster is
shared. What shares a server is one group: a module, and of a module that plays on several backends, each backend. A mark `xdist_group`
divides these further. Tests that take long and need nothing of each other are groups of their own. A test without a server goes
wherever there is time.
"""

import pytest

APART = {"test_story.py", "test_availability.py"}


def group_of(item: pytest.Item) -> str | None:
    """None for a test that may run anywhere."""
    if item.path.parent.name not in {"real", "contract"} or "fake" in item.path.name:
        return None
    if item.path.name in APART:
        return item.nodeid
    backend = next((name for name in ("kubernetes", "docker") if item.get_closest_marker(name)), "any")
    part = item.get_closest_marker("xdist_group")
    return "-".join([item.path.stem, backend, *(part.args if part else ())])


def weight(item: pytest.Item) -> int:
    """Long ones first, so that none of them is begun when the others are done."""
    if item.path.name == "test_kill_matrix.py":
        return 0
    if group_of(item) is None:
        return 3
    return 1 if item.get_closest_marker("kubernetes") else 2


def arrange(items: list[pytest.Item], workers: int) -> None:
    """A worker takes two groups to begin with and never gives one back: behind a long one of the first must stand a short one."""
    items.sort(key=weight)
    groups = list(dict.fromkeys(group_of(item) or item.nodeid for item in items))
    if len(groups) > 2 * workers:
        place = {group: number for number, group in enumerate([*groups[:workers], *groups[-workers:], *groups[workers:-workers]])}
        items.sort(key=lambda item: place[group_of(item) or item.nodeid])
    for item, group in [(item, group_of(item)) for item in items]:
        if group and group != item.nodeid:
            item.add_marker(pytest.mark.xdist_group(group))
