"""A link that dies during a download: every command says so at once, with the time of the next try, and counts what is here."""

import io
import re
import threading
from dataclasses import replace

import pytest

from kelvin_provision.cli.render.progress import Lines
from kelvin_provision.errors import NotReady
from kelvin_provision.queries.follow import FollowRequest, follow
from kelvin_provision.registry.client import Registry
from kelvin_provision.retry import Backoff
from kelvin_provision.settings.model import DownloadSettings
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.usecases import deploy
from tests.kit.box import FAST, Box
from tests.kit.images import push, random_image
from tests.kit.servers.proxy import Faults, Proxy
from tests.kit.waiting import until

pytestmark = pytest.mark.registry

SIZE, PART = 2_000_000, 200_000


@pytest.fixture
def box(tmp_path):
    found = Box(tmp_path, download=DownloadSettings(stall_timeout=5.0))
    found.source = Registry(found.settings)
    found.timings = replace(FAST, staging=Backoff(first=2.0, cap=2.0, deadline=3.0), agent_retry=2.0)
    found.log = io.StringIO()
    found.progress = Lines(found.log)
    yield found
    found.source.close()
    found.close()


@pytest.fixture
def agent(box):
    """The agent's loop in a thread."""
    ended = threading.Event()
    thread = threading.Thread(target=lambda: box.work(ended.is_set), daemon=True)
    yield thread
    ended.set()
    thread.join(20)


def accept(box, image):
    spec = Spec("pump", "pump", "pump", "1", "c", method=Method.STAGED, image=image)
    return deploy.store(box.ctx, [spec])[0][0]


def test_a_dead_link_is_told_at_once_everywhere_and_progress_counts_what_is_here(box, agent, registry):
    push(registry, "dead", "1", random_image([SIZE], level=0))
    with Proxy(registry, Faults(cut=PART, reset=True)) as proxy:
        revision = accept(box, f"{proxy.host}/dead:1")
        agent.start()
        until(lambda: proxy.sent >= PART)
    told = f"the registry {proxy.host} does not answer (connection refused)"
    next_try = re.compile(rf"{re.escape(told)}; (next try in [12]s|trying again now)")
    until(lambda: told in box.warnings("pump"))

    assert next_try.search(box.run("workloads", "list").stderr)
    assert next_try.search(box.run("workloads", "show", "pump").stdout)
    status = box.run("agent", "status").stdout
    assert next_try.search(status)
    here, size = box.store.progress(box.ledger.revision("pump", revision.number).locks)
    assert here >= PART
    assert int(re.search(r"MiB, (\d+)%", status)[1]) == 100 * here // size
    waited = box.run("workloads", "wait", "pump", "--for", "ready", "--timeout", "0")
    assert (waited.exit_code, bool(next_try.search(waited.stderr))) == (75, True)
    said = []
    with pytest.raises(NotReady):
        follow(replace(box.ctx, progress=said.append), FollowRequest((revision,), timeout=0))
    assert any(next_try.search(str(event)) for event in said)
    assert next_try.search(box.log.getvalue())

    until(lambda: box.log.getvalue().count("downloading") >= 3)  # the next turn has begun
    started = re.findall(r"downloading \S+, (\S+ \S+) of \S+ \S+ already here", box.log.getvalue())
    assert started
    assert not any(amount.startswith("0 ") for amount in started)
