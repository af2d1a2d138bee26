"""What is done in a thread beside a block."""

import contextlib
import threading
from collections.abc import Callable, Iterator


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
        thread.join()


@contextlib.contextmanager
def working(work: Callable[[Callable[[], bool]], object], seconds: float = 60.0) -> Iterator[None]:
    """`work` in a thread, which is given whether the block has ended, and then has so many seconds."""
    ended = threading.Event()
    thread = threading.Thread(target=work, args=(ended.is_set,))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(seconds)
        assert not thread.is_alive()
