"""What the API itself refuses. Errors of use-cases and queries have classes of their own (`errors`); here a refusal is a row of a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kelvin_provision.hints import Hint


@dataclass(frozen=True)
class Kind:
    """`title` is what a person reads first, `solution` the next step. `of_pages`: no route of the API answers it."""

    status: int
    title: str
    solution: str
    of_pages: bool = False


KINDS = {
    "bad-body": Kind(400, "The body of the request is invalid.", "send the document that the description asks for"),
    "bad-query": Kind(400, "The query of the request is invalid.", "see the accepted values in the description"),
    "bad-header": Kind(400, "A header of the request is invalid.", "see the accepted values in the description"),
    "bad-http": Kind(400, "This is not a valid HTTP/1.1 request.", "check the client and what is between it and this box"),
    "login-required": Kind(
        401, "This route needs a valid access token.", "get one from the token route, and send it as: Authorization: Bearer TOKEN"
    ),
    "invalid-grant": Kind(401, "The login was refused.", "check user and password"),
    "level-needed": Kind(403, "The level of this user is too low.", "ask an administrator of this box for a user of that level"),
    "other-origin": Kind(
        403, "The request does not come from a page of this box.", "open the page of this box, and try again there", of_pages=True
    ),
    "route-unknown": Kind(404, "There is no such route.", "see the routes in docs/api.md"),
    "word-unknown": Kind(404, "This cannot be explained.", "see the words in GET /edge/v1/explain"),
    "realm-unknown": Kind(404, "There is no such realm.", "use the realm that GET /metadata names"),
    "method-refused": Kind(405, "The route does not have this method.", "use one of the methods in the header Allow"),
    "upload-busy": Kind(409, "Another request is sending bytes of this upload.", "wait until it has ended, then ask how far the upload is"),
    "offset-mismatch": Kind(409, "The bytes do not begin where the upload ends.", "continue at the offset in the header Upload-Offset"),
    "upload-unfinished": Kind(409, "The upload is not complete.", "send the rest first"),
    "no-assets": Kind(409, "A box has no assets.", "add resources on the platform"),
    "body-too-large": Kind(413, "The body of the request is too large.", "send less at once"),
    "query-too-long": Kind(414, "The query of the request is too long.", "use fewer filters"),
    "range-refused": Kind(416, "The range is behind the end of the file.", "ask without a range, or for one within the file"),
    "host-refused": Kind(421, "This box is not known by that host name.", "use its address, or add the name to the setting api.names"),
    "too-many-attempts": Kind(429, "Too many failed logins.", "wait, then try again"),
    "too-many-streams": Kind(503, "The API has too many streams of events.", "close a page that listens, or try again in a moment"),
    "user-locked": Kind(429, "The user is locked after failed logins.", "wait, or have the user unlocked at the box"),
    "too-many-connections": Kind(503, "The API has too many connections.", "try again in a moment"),
    "too-many-requests": Kind(503, "The API has too many requests under way.", "try again in a moment"),
}


@dataclass(eq=False)
class Refusal(Exception):
    """`description` says what is wrong with this request; `payload` is for programs."""

    name: str
    description: str
    solution: Hint | str = ""
    payload: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self.description)

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]
