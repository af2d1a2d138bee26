"""Requests and answers of HTTP/1.1 as values, and how strictly the head of a request is read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

MOST_HEADERS = 32
_LINE = re.compile(rb"(GET|HEAD|POST) (/[!-~]{0,1023}) HTTP/1\.1")
_HEADER = re.compile(rb"([A-Za-z0-9-]{1,64}):[ \t]*([ -~\t]{0,4096}?)[ \t]*")
_LENGTH = re.compile(r"[0-9]{1,12}")
_REASONS = {200: "OK", 204: "No Content", 206: "Partial Content", 304: "Not Modified", 400: "Bad Request", 401: "Unauthorized"}
_REASONS |= {403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 413: "Content Too Large", 416: "Range Not Satisfiable"}
_REASONS |= {500: "Internal Server Error", 503: "Service Unavailable"}


@dataclass(frozen=True)
class Request:
    """`certificate` is what the client showed, DER, verified by the TLS context; None without one."""

    method: str
    target: str
    headers: Mapping[str, str]
    address: str
    certificate: bytes | None
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """`pieces` are sent after the body, `size` bytes of them; where fewer come, the connection ends, so that the client sees it.

    `close` is called in the end, whatever has become of it.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: AsyncIterator[bytes] | None = None
    size: int = 0
    close: Callable[[], None] = lambda: None


class Refused(Exception):
    """An answer in place of the one that was asked for; the connection is closed after it."""

    def __init__(self, status: int, text: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.answer = Answer(status, text.encode(), headers or {})


def parsed(lines: list[bytes], address: str, certificate: bytes | None) -> Request:
    """Raises Refused."""
    line = _LINE.fullmatch(lines[0])
    if line is None or len(lines) > MOST_HEADERS + 1:
        raise Refused(400, "not a request of this program")
    headers: dict[str, str] = {}
    for text in lines[1:]:
        match = _HEADER.fullmatch(text)
        name = match[1].decode().lower() if match else ""
        if match is None or name in headers or name == "transfer-encoding":
            raise Refused(400, "a header that is not accepted")
        headers[name] = match[2].decode()
    return Request(line[1].decode(), line[2].decode(), headers, address, certificate)


def length_of(request: Request) -> int:
    """Bytes of its body. Raises Refused."""
    text = request.headers.get("content-length", "0")
    if not _LENGTH.fullmatch(text) or (request.method != "POST" and text != "0"):
        raise Refused(400, "a body that is not accepted")
    return int(text)


def head_of(answer: Answer, *, closes: bool) -> bytes:
    """Status and headers, with the empty line that ends them."""
    lines = [f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}"]
    if answer.status not in {204, 304}:
        lines.append(f"Content-Length: {len(answer.body) + answer.size}")
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    lines += ["Connection: close"] if closes else []
    return "\r\n".join([*lines, "", ""]).encode()
