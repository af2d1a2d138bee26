"""Listening to a cluster in a thread, for the contract suite."""

import threading
import time
from contextlib import contextmanager

from tests.kit.waiting import PATIENCE


class Heard:
    """What a listener in a thread of its own was told."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.over, self.news = threading.Event(), threading.Event()
        self.last = time.monotonic()
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        for changed in self.cluster.watch(self.over.is_set):
            if changed:
                self.last = time.monotonic()
                self.news.set()

    def soon(self, seconds=PATIENCE):
        told = self.news.wait(seconds)
        self.news.clear()
        return told

    def quiet(self, seconds=1.5, limit=PATIENCE):
        """Wait until nothing happens any more: other tests' workloads may still be on their way out."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline and time.monotonic() - self.last < seconds:
            time.sleep(0.1)
        self.news.clear()

    @property
    def ended(self):
        self.thread.join(PATIENCE)
        return not self.thread.is_alive()


@contextmanager
def listening(cluster):
    heard = Heard(cluster)
    try:
        yield heard
    finally:
        heard.over.set()
