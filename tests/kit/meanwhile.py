"""What is done in a thread beside a block."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from tests.kit.waiting import PATIENCE, ended


@contextlib.contextmanager
def repeated(action: Callable[[], object], pause: float = 0.05) -> Iterator[None]:
    """In a thread, with so many seconds between two times, until the block has ended. An error in it fails the test, as in every thread."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(pause):
            action()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        ended(thread, 2 * PATIENCE)  # what it does may take its time, too


@contextlib.contextmanager
def working(work: Callable[[Callable[[], bool]], object], seconds: float = PATIENCE) -> Iterator[None]:
    """`work` in a thread, which is given whether the block has ended, and then has so many seconds."""
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over.is_set,))
    thread.start()
    try:
        yield
    finally:
        over.set()
        ended(thread, seconds)
