"""The documents between leader and member: what is written is read, and anything else is refused with one error."""

import json
import random
from contextlib import suppress
from dataclasses import replace

import pytest

from kelvin_provision.errors import NodeProtocolInvalid
from kelvin_provision.ledger.nodes.model import NodeImageState
from kelvin_provision.nodes.admission import Admission, JoinRequest, RenewRequest
from kelvin_provision.nodes.checked import LARGEST, encoded
from kelvin_provision.nodes.protocol import LEADER, ImageReport, Peer, Report, Wanted, WantedImage, version_of
from kelvin_provision.refs import Platform
from tests.kit.images import random_image
from tests.kit.locks import lock_of

ARM = Platform.parse("linux/arm64/v8")
LOCK = lock_of(random_image([100]), "r.io/pump:1")
IMAGE = WantedImage(LOCK, ("r.io/pump:1",), True, ("node-b", LEADER))
DOCUMENTS = (
    Wanted("v1", (IMAGE,), (Peer("node-b", "10.0.0.2:30500", "a" * 64), Peer("node-c", "[fd00::2]:30500", "b" * 64)), 1 << 20, "", True),
    Report("v1", (ImageReport(LOCK.name, NodeImageState.FAILED, "no space", 7),), ARM, "node-b", "1.0.dev1+x", ":30500", 7, ("full",)),
    JoinRequest("secret", "node-b", "-----BEGIN\n", ARM, "", "1.0"),
    RenewRequest("-----BEGIN\n"),
    Admission("node-b", "-----BEGIN\n", "-----BEGIN\n"),
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: type(document).__name__)
def test_what_is_written_is_read(document):
    assert type(document).from_json(encoded(document.to_json())) == document


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: type(document).__name__)
def test_anything_else_is_refused_with_one_error(document):
    kind, number = type(document), random.Random(18)  # noqa: S311  (a test is repeated)
    values = [None, 1, -1, True, "", "x", "\x1b[2J", "\ud800", [], [[]], {}, 1e999, "x" * 100_000]
    for path in _paths(document.to_json()):
        for value in values:
            changed = json.loads(encoded(document.to_json()))
            _put(changed, path, value)
            with suppress(NodeProtocolInvalid):
                assert isinstance(kind.from_json(json.dumps(changed).encode()), kind)
    data = bytearray(encoded(document.to_json()))
    for _ in range(300):
        broken = bytearray(data)
        broken[number.randrange(len(broken))] = number.randrange(256)
        with suppress(NodeProtocolInvalid):
            kind.from_json(bytes(broken))
    for text in (b"", b"[]", b"[" * 100_000, b"{", b"null", b"\xff"):
        with pytest.raises(NodeProtocolInvalid):
            kind.from_json(text)


def test_a_document_is_not_read_beyond_its_size():
    with pytest.raises(NodeProtocolInvalid, match="more than"):
        Report.from_json(b" " * (LARGEST["report"] + 1))


def test_no_text_controls_a_terminal():
    for text in ("\x1b[2J", "full\nnode-c  here  5/5", "\u202e"):
        document = DOCUMENTS[1].to_json() | {"problems": [text]}
        with pytest.raises(NodeProtocolInvalid):
            Report.from_json(encoded(document))
        (image,) = DOCUMENTS[1].images
        with pytest.raises(NodeProtocolInvalid):
            Report.from_json(encoded(DOCUMENTS[1].to_json() | {"images": [{**vars(image), "why": text}]}))


def test_what_a_member_cannot_print_keeps_no_report_from_its_leader():
    image = ImageReport(LOCK.name, NodeImageState.FAILED, "no\nspace\t\x07" + "x" * 1000)
    sent = replace(DOCUMENTS[1], images=(image,), problems=("a\nb\u202e",))
    read = Report.from_json(encoded(sent.to_json()))
    assert read.problems == ("a b ",)
    assert read.images[0].why.startswith("no space  xxx")


def test_the_version_changes_with_anything_that_the_member_is_told():
    versions = {version_of([IMAGE]), version_of([]), version_of([IMAGE], ()), version_of([WantedImage(LOCK)]), version_of([IMAGE], 7)}
    assert len(versions) == 5
    assert version_of([IMAGE]) == version_of([IMAGE])


def _paths(document, path=()):
    yield from ([path] if path else [])
    items = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for key, value in items:
        yield from _paths(value, (*path, key))


def _put(document, path, value):
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value
