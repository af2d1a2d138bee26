"""An HTTP server in threads of this process that leaves neither a thread nor a socket behind."""

import contextlib
import socket
import ssl
import threading
from http.server import ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Ending it hangs up on everyone and waits for their threads. What goes wrong with one connection is that client's business."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, handler, tls: tuple[str, str] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self.host = f"127.0.0.1:{self.server_address[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def process_request(self, request, client_address):
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        pass

    def end(self) -> None:
        self.shutdown()
        with self._guard:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self.server_close()


@contextlib.contextmanager
def serving(server: Server):
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name=f"server {server.host}")
    thread.start()
    try:
        yield server
    finally:
        server.end()
        thread.join()
