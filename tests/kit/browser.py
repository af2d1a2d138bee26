"""A browser without a screen that remembers its cookie: what the server sees of one, over real sockets."""

import re
from urllib.parse import urlencode

from tests.kit.api import PASSWORD


class Browser:
    """`site` is what it says of where a form comes from; None for one that says nothing."""

    def __init__(self, client, site="same-origin"):
        self.client = client
        self.site = site
        self.cookie = ""

    @property
    def name(self):
        return "__Host-kp" if self.client.tls else "kp"

    def headers(self, more=()):
        site = {"Sec-Fetch-Site": self.site} if self.site else {}
        return {**site, **({"Cookie": f"{self.name}={self.cookie}"} if self.cookie else {}), **dict(more)}

    def get(self, path, headers=(), method="GET"):
        return self.client.ask(method, path, headers=self.headers(headers))

    def post(self, path, fields=(), headers=()):
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self.client.ask("POST", path, body=urlencode(dict(fields)).encode(), headers=self.headers({**kind, **dict(headers)}))
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].partition(";")[0].partition("=")[2]
        return answer

    def send(self, path, fields):
        """As a form with a file: text and bytes by field."""
        edge = "----edge7MA4YWxk"
        parts = [
            f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + _bytes(value) for name, value in fields.items()
        ]
        body = b"".join(part + b"\r\n" for part in parts) + f"--{edge}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        return self.client.ask("POST", path, body=body, headers=self.headers(kind))

    def login(self, level, **more):
        return self.post("/ui/login", {"username": str(level), "password": PASSWORD} | more)


def _bytes(value):
    return value if isinstance(value, bytes) else value.replace("\n", "\r\n").encode()


def as_level(client, level):
    browser = Browser(client)
    assert browser.login(level).status == 303
    return browser


def plain(text):
    """What a page says, without its tags."""
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())
