"""A thin link: a proxy on loopback that lets so many bytes a second through, or none at all."""

import contextlib
import socket
import threading
import time

PIECE = 4096


class Thin:
    """`rate` bytes a second to the client on every connection; 0 stalls them all."""

    def __init__(self, target: str, rate: int):
        self.target, self.rate, self.passed = target, rate, 0
        self._door = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._door.getsockname()[1]}"
        self._over = threading.Event()
        self._start(self._accept)

    @staticmethod
    def _start(work, *words):
        threading.Thread(target=work, args=words, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._door.accept()
                host, _, port = self.target.rpartition(":")
                server = socket.create_connection((host, int(port)))
                self._start(self._pass, client, server, False)
                self._start(self._pass, server, client, True)

    def _pass(self, source, sink, slow):
        with contextlib.suppress(OSError), source, sink:
            while data := source.recv(PIECE):
                while slow and not self.rate and not self._over.is_set():
                    time.sleep(0.02)
                if self._over.is_set():
                    return
                if slow:
                    self.passed += len(data)
                    time.sleep(len(data) / (self.rate or 1e9))
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
            time.sleep(0.2)

    def close(self):
        self._over.set()
        self._door.close()


@contextlib.contextmanager
def thin_link(target: str, rate: int):
    link = Thin(target, rate)
    try:
        yield link
    finally:
        link.close()
