"""Downloads within their limits: window, budget, rate and slots. On a source in memory."""

import threading
import time
from datetime import UTC, datetime

import pytest
from urllib3 import exceptions as http

from kelvin_provision.context import silent
from kelvin_provision.errors import BudgetTooSmall, DownloadWaits, RegistryBusy, RegistryUnreachable, TransferStopped
from kelvin_provision.ledger import traffic
from kelvin_provision.ledger.ledger import Ledger
from kelvin_provision.queries.items import item_of
from kelvin_provision.refs import Platform, Reference
from kelvin_provision.registry.http_errors import Asked, Endpoint
from kelvin_provision.retry import Backoff
from kelvin_provision.settings.model import DownloadSettings
from kelvin_provision.settings.window import Window
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.spec.workload import Spec
from kelvin_provision.staging import download, stage
from kelvin_provision.staging.limits.adaptive import AdaptiveConcurrency
from kelvin_provision.staging.limits.budget import Budget
from kelvin_provision.staging.limits.limits import TransferLimits
from kelvin_provision.staging.limits.policy import DownloadPolicy, LocalTime
from kelvin_provision.staging.limits.rate import RateLimit
from kelvin_provision.staging.limits.slots import TransferSlots
from kelvin_provision.staging.stage import StagingTools
from kelvin_provision.staging.transfer import Transfer
from kelvin_provision.store import Store
from tests.kit.box import Box
from tests.kit.fakes.runtime import FakeRuntime
from tests.kit.fakes.source import FakeSource
from tests.kit.images import random_image
from tests.kit.ledgers import migrated
from tests.kit.waiting import PATIENCE

pytestmark = pytest.mark.slow

AMD64 = Platform("linux", "amd64")
SOON = Backoff(first=0.001, cap=0.001, deadline=0.02)
NIGHT = Window.parse("22:00-05:00")
NOON, LATE = 12 * 60, 23 * 60


@pytest.fixture
def source():
    return FakeSource()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def ledger(tmp_path):
    with Ledger(migrated(tmp_path / "ledger.db")) as opened:
        yield opened


def staged(source, store, *sizes):
    source.images["r.io/a:1"] = random_image(list(sizes))
    with download.resolved(source, store, [Reference.parse("r.io/a:1")], AMD64) as locks:
        return locks


def fetch(source, store, locks, limits, *, stop=lambda: False):
    return download.fetch(Transfer(source, store, silent, stop, SOON, limits), locks)


def complete(store, locks):
    return all(store.has(blob) for lock in locks for blob in lock.blobs())


def transfers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("transfer-")]


class Wall:
    """It shows `minute`, and `then` after it was asked so often."""

    def __init__(self, minute, times=10**9, then=None):
        self.minute, self.times, self.then, self.day = minute, times, then, "2026-11-23"

    def __call__(self):
        self.times -= 1
        return LocalTime(self.day, self.minute if self.times >= 0 else self.then)


# --- hours -------------------------------------------------------------------------------------------


def test_outside_the_window_nothing_is_requested(source, store):
    locks = staged(source, store, 20_000, 20_000)
    with pytest.raises(DownloadWaits, match="opens at 22:00"):
        fetch(source, store, locks, TransferLimits(policy=DownloadPolicy(NIGHT, now=Wall(NOON))))
    assert source.served == []
    assert not transfers()


def test_a_complete_image_waits_for_no_window(source, store):
    locks = staged(source, store, 20_000)
    fetch(source, store, locks, TransferLimits())
    assert fetch(source, store, locks, TransferLimits(policy=DownloadPolicy(NIGHT, now=Wall(NOON)))).fetched == 0


def test_a_window_that_closes_ends_the_transfer_and_the_next_one_resumes_it(source, store):
    locks = staged(source, store, 50_000)
    layer = locks[0].layers[0]
    with pytest.raises(DownloadWaits):
        fetch(source, store, locks, TransferLimits(policy=DownloadPolicy(NIGHT, now=Wall(LATE, times=11, then=5 * 60))))
    had = store.bytes_present(layer)
    assert 0 < had < layer.size
    fetch(source, store, locks, TransferLimits(policy=DownloadPolicy(NIGHT, now=Wall(LATE))))
    assert [start for digest, start, _ in source.served if digest == layer.digest] == [had]
    assert complete(store, locks)


def test_a_window_that_closes_with_the_last_byte_is_no_loss(source, store):
    locks = staged(source, store, 5_000)
    pieces = -(-locks[0].layers[0].size // source.chunk)
    fetch(source, store, locks, TransferLimits(policy=DownloadPolicy(NIGHT, now=Wall(LATE, times=pieces, then=NOON))))
    assert complete(store, locks)


# --- budget ------------------------------------------------------------------------------------------


def test_a_used_up_budget_ends_the_transfer_and_the_next_day_resumes_it(source, store, ledger):
    locks = staged(source, store, 50_000)
    layer, wall = locks[0].layers[0], Wall(NOON)
    limits = TransferLimits(policy=DownloadPolicy(budget=Budget(32_000, ledger), now=wall))
    with pytest.raises(DownloadWaits, match="waits for midnight"):
        fetch(source, store, locks, limits)
    assert store.bytes_present(layer) == 32_000
    wall.day = "2026-11-24"
    fetch(source, store, locks, limits)
    assert complete(store, locks)
    assert [traffic.used(ledger, day) for day in ("2026-11-23", "2026-11-24")] == [32_000, layer.size - 32_000]


def test_bytes_that_are_received_twice_count_twice(source, store, ledger):
    locks = staged(source, store, 20_000)
    source.wrong = {locks[0].layers[0].digest}
    with pytest.raises(Exception, match="quarantined"):
        fetch(source, store, locks, TransferLimits(policy=DownloadPolicy(budget=Budget(10**6, ledger), now=Wall(NOON))))
    assert traffic.used(ledger, "2026-11-23") == 2 * locks[0].layers[0].size


def test_a_download_that_cannot_resume_is_stopped_before_it_uses_up_the_budget(source, store, ledger):
    locks = staged(source, store, 50_000)
    layer = locks[0].layers[0]
    source.cut, source.cuts, source.ignores_ranges = 20_000, 10, True
    with pytest.raises(
        DownloadWaits, match=r"waits for midnight: r.io/a:1: .* cannot be resumed, and its 50.* kB exceed what is left today"
    ):
        fetch(source, store, locks, TransferLimits(policy=DownloadPolicy(budget=Budget(60_000, ledger), now=Wall(NOON))))
    assert (store.bytes_present(layer), traffic.used(ledger, "2026-11-23")) == (20_000, 20_000)
    with pytest.raises(BudgetTooSmall):
        fetch(source, store, locks, TransferLimits(policy=DownloadPolicy(budget=Budget(40_000, ledger), now=Wall(NOON))))
    assert store.bytes_present(layer) == 20_000


# --- rate and slots ----------------------------------------------------------------------------------


def test_a_transfer_that_waits_for_the_rate_limit_can_be_stopped(source, store):
    locks = staged(source, store, 50_000)
    source.chunk = 10_000
    asked = iter(range(100_000))
    with pytest.raises(TransferStopped):  # at 100 bytes a second the first piece alone would be waited for for a minute and a half
        fetch(source, store, locks, TransferLimits(RateLimit(100)), stop=lambda: next(asked) > 20)
    assert store.bytes_present(locks[0].layers[0]) >= 10_000
    assert not transfers()


class Narrowing(AdaptiveConcurrency):
    """Four, and one from the given byte on."""

    def __init__(self, at):
        super().__init__(4)
        self.limit, self.at = 4, at

    def record_bytes(self, total, now):
        self.limit = 1 if total >= self.at else 4


class Watched(FakeSource):
    """It remembers at which byte each stream was asked for; the first four are let begin together."""

    def __init__(self):
        super().__init__()
        self.asked, self.together = {}, threading.Barrier(4)

    def blob(self, reference, blob, offset):
        first = sum(map(len, self.asked.values())) < 4
        self.asked.setdefault(blob.digest, []).append(offset)
        if first:
            self.together.wait(60)
        return super().blob(reference, blob, offset)


def test_a_slot_that_is_given_up_costs_no_byte(store):
    source = Watched()
    locks = staged(source, store, *[100_000] * 5)
    fetch(source, store, locks, TransferLimits(concurrency=Narrowing(10_000)))
    assert complete(store, locks)
    asked = source.asked.values()
    assert all(starts == sorted(set(starts)) and starts[0] == 0 for starts in asked)  # none was asked for a byte that it had
    assert sum(len(starts) for starts in asked) > 5  # and some had to ask twice


def test_of_two_too_many_slots_two_are_given_up():
    concurrency = AdaptiveConcurrency(4)
    concurrency.limit = 4
    slots, there, done = TransferSlots(concurrency), threading.Barrier(5), threading.Barrier(5)
    stays = []

    def transfer():
        slots.acquire(lambda: False)
        there.wait(PATIENCE)
        done.wait(PATIENCE)
        stays.append(slots.record_bytes(1))

    threads = [threading.Thread(target=transfer) for _ in range(4)]
    for thread in threads:
        thread.start()
    there.wait(PATIENCE)
    concurrency.limit = 2
    done.wait(PATIENCE)
    for thread in threads:
        thread.join()
    assert sorted(stays) == [False, False, True, True]


def test_a_started_blob_has_precedence_over_a_new_one():
    slots, order, waiting = TransferSlots(1), [], threading.Event()

    def transfer(name, *, begun):
        slots.acquire(lambda: waiting.set() or False, resumed=begun)
        order.append(name)
        slots.release()

    slots.acquire(lambda: False)
    threads = []
    for name in ("new", "begun"):
        waiting.clear()
        threads.append(threading.Thread(target=transfer, args=(name,), kwargs={"begun": name == "begun"}))
        threads[-1].start()
        waiting.wait(PATIENCE)
    slots.release()
    for thread in threads:
        thread.join()
    assert order == ["begun", "new"]


class Remembering(AdaptiveConcurrency):
    def __init__(self):
        super().__init__(4)
        self.stalls = 0

    def record_stall(self, now):
        self.stalls += 1
        super().record_stall(now)


def stall():
    error = RegistryUnreachable("no data received for 30 seconds")
    error.stalled = True
    return error


@pytest.mark.parametrize(
    ("trouble", "counts"), [(stall(), True), (RegistryBusy("returned status 429"), True), (RegistryUnreachable("reset"), False)]
)
def test_errors_that_fewer_connections_may_cure_are_recorded_as_stalls(source, store, trouble, counts):
    locks = staged(source, store, 5_000)
    concurrency, source.down = Remembering(), trouble
    with pytest.raises(type(trouble)):
        fetch(source, store, locks, TransferLimits(concurrency=concurrency))
    assert (concurrency.stalls > 0) is counts


@pytest.mark.parametrize(
    ("broken", "stalled"),
    [
        (http.ReadTimeoutError(None, "", ""), True),
        (http.ConnectTimeoutError(), True),
        (TimeoutError(), True),
        (http.ProtocolError("reset"), False),
        (ConnectionResetError(), False),
    ],
)
def test_only_a_time_out_is_a_stall(broken, stalled):
    with pytest.raises(RegistryUnreachable) as caught, Endpoint("r.io", 30.0).translated_errors(Asked("the registry r.io")):
        raise broken
    assert caught.value.stalled is stalled


# --- what people see ---------------------------------------------------------------------------------


def test_waiting_for_the_window_is_downloading_with_its_cause_and_writes_once(source, store, ledger):
    source.images["r.io/a:1"] = random_image([20_000])
    spec = Spec(name="a", title="a", app_name="a", app_version="1", cluster_name="c", method=Method.STAGED, image="r.io/a:1")
    ledger.accept([spec], "batch")
    wall = Wall(NOON)
    limits = TransferLimits(policy=DownloadPolicy(NIGHT, now=wall))
    tools = StagingTools(ledger, store, source, FakeRuntime(AMD64), silent, stop=lambda: False, limits=limits)

    def staging():
        return stage.run(ledger.workload("a").staged, tools)

    assert staging() is False
    found = item_of(ledger.workload("a")).to_json()
    assert (found["download_status"], found["download_error"]) == ("downloading", "waits for the download window, which opens at 22:00")
    assert found["staged"]["status"]["state"] == "downloading"
    before = ledger.version()
    assert staging() is False
    assert ledger.version() == before
    wall.minute = LATE
    assert staging() is True
    revision = ledger.workload("a").staged
    assert (revision.download, revision.cause) == (Download.READY, None)


@pytest.fixture
def noon(monkeypatch):
    """In the zone where it is noon, no test runs over midnight."""
    monkeypatch.setenv("TZ", f"NOON{datetime.now(UTC).hour - 12:+d}")
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_budget_outlives_the_agent(tmp_path, noon):
    image = random_image([3_000_000], level=0)

    def turn_of_a_new_life():
        box = Box(tmp_path, download=DownloadSettings(budget=2_000_000))
        box.source.images["r.io/a:1"], box.source.chunk = image, 100_000
        if not box.ledger.names():
            spec = Spec(name="a", title="a", app_name="a", app_version="1", cluster_name="c", method=Method.STAGED, image="r.io/a:1")
            box.ledger.accept([spec], "batch")
        assert box.turn() is False
        box.close()
        with Ledger(box.ledger.path) as ledger:
            return ledger.workload("a").staged.cause, sum(end - start for _, start, end in box.source.served), box.store

    cause, _, store = turn_of_a_new_life()
    assert cause == "waits for midnight: the 2 MB of download.budget are used up for today"
    partial = sum(path.stat().st_size for path in store.layout.partials.iterdir())
    assert 2_000_000 <= partial <= 2_100_000
    assert turn_of_a_new_life()[:2] == (cause, 0)
    assert sum(path.stat().st_size for path in store.layout.partials.iterdir()) == partial
