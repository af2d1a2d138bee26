"""A client of Server-Sent Events, as a browser is one: fields, events, the last identifier."""

import contextlib
import json
from dataclasses import dataclass

from kelvin_provision.access.levels import Level


@dataclass(frozen=True)
class Event:
    name: str
    data: dict
    id: str | None = None


class Listener:
    """`last` is what a browser sends when it comes again; `retry` the milliseconds after which it does."""

    def __init__(self, response):
        self.response = response
        self.last = ""
        self.retry = None
        self.comments = 0

    def next(self):
        """The next event; None at the end of the stream."""
        fields, comments = {}, self.comments
        while line := self.response.readline():
            text = line.decode().rstrip("\n")
            if not text and "data" in fields:
                if "id" in fields:
                    self.last = fields["id"]
                return Event(fields["event"], json.loads(fields["data"]), fields.get("id"))
            name, _, value = text.partition(":")
            if text.startswith(":"):
                self.comments += 1
                assert self.comments < comments + 20, "nothing happens"
            elif name == "retry":
                self.retry = int(value)
            elif text:
                fields[name] = value.removeprefix(" ")
        return None

    def until(self, kind, **data):
        """Events up to one of this name with these values in its data."""
        found = []
        while event := self.next():
            found.append(event)
            if event.name == kind and data.items() <= event.data.items():
                return found
        raise AssertionError(f"the stream ended; {found}")


@contextlib.contextmanager
def listening(client, path="/edge/v1/events", *, last="", level=Level.READ, token=None):
    headers = {"Authorization": f"Bearer {token or client.as_level(level)}", **({"Last-Event-ID": last} if last else {})}
    with contextlib.closing(client.connection()) as connection:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        assert (response.status, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8"), response.read()
        with response:
            yield Listener(response)
