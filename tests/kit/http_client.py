"""A client that asks a web server ten times a second, each time by a new connection and a new look at the name.

A program of its own, so that it can run in the network of a container: `python client.py HOST PORT [DNS-SERVER]`. It writes a
JSON line for each ask, `[seconds, text, error]`, until its standard input is closed.
"""

import http.client
import json
import secrets
import select
import socket
import struct
import sys
import time

EVERY = 0.1
PATIENCE = 10.0
"""Seconds for an answer: a busy machine is late with it, which is no failure; later than that, it counts as none."""


def resolve(name, server):
    """What glibc does without a cache: one question over UDP."""
    number = secrets.randbits(16)
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(PATIENCE)
        asking.sendto(struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1), (server, 53))
        answer = asking.recv(4096)
    _, flags, _, count, _, _ = struct.unpack_from(">6H", answer)
    if flags & 15 or not count:
        raise OSError(f"no address for {name}: code {flags & 15}, {count} answers")
    return socket.inet_ntoa(answer[-4:])  # the last record is an A as we asked for, and its data are its end


def ask(host, port, server):
    connection = http.client.HTTPConnection(resolve(host, server) if server else host, port, timeout=PATIENCE)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        text = answer.read().decode().strip()
    finally:
        connection.close()
    if answer.status != 200:
        raise OSError(f"status {answer.status}")
    return text


def main(host, port, server=""):
    start, turn = time.monotonic(), 0
    while True:
        at = time.monotonic() - start
        try:
            line = [at, ask(host, int(port), server), ""]
        except (OSError, http.client.HTTPException) as error:
            line = [at, "", f"{type(error).__name__}: {error}"]
        print(json.dumps(line), flush=True)
        turn += 1
        if select.select([sys.stdin], [], [], max(0, start + turn * EVERY - time.monotonic()))[0]:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
