"""A deploy from a page: what would be staged is shown first, and nothing is stored before the second button."""

import json
import re
from html import unescape

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.api.messages.multipart import MOST_FIELDS, multipart_fields
from kelvin_provision.api.messages.refusals import Refusal
from tests.kit.browser import as_level, plain

EVIL = '</textarea><b>x</b>\u202e"&amp;'
REQUEST = {
    "name": "motor",
    "title": f"Motor {EVIL}",
    "app_name": "motor",
    "app_version": "2.3.0",
    "payload": {
        "spec_version": "5.0.0",
        "type": "docker",
        "name": "motor",
        "title": "Motor",
        "description": "Speed control",
        "version": "2.3.0",
    },
    "staged": True,
    "instantly_apply": False,
}
YAML = """\
name: motor
title: Motor
app_name: motor
app_version: 2.3.0
payload: {spec_version: 5.0.0, type: docker, name: motor, title: Motor, description: "Speed\n  control", version: 2.3.0}
staged: true
instantly_apply: false
"""


@pytest.fixture
def browser(box, api):
    box.settings = type(box.settings)(**vars(box.settings) | {"registry": "r.io"})
    return as_level(api, Level.DEPLOY)


def carried(text):
    """The request in the form of the page."""
    return unescape(re.findall(r'<textarea name="text" hidden>\n(.*?)</textarea>', text, re.DOTALL)[0])


def test_a_pasted_request_is_shown_and_then_staged_as_it_was(box, browser):
    request = json.dumps(REQUEST, ensure_ascii=False)
    answer = browser.send("/ui/deploy/check", {"text": request, "file": b""})
    text = answer.body.decode()
    assert answer.status == 200, plain(text)
    assert "→ to 2.3.0 motor Its images are downloaded; it waits for an activation." in plain(text)
    assert "r.io/motor:2.3.0" in text
    assert "<b>x</b>" not in text
    assert carried(text) == request
    assert "motor" not in box.ledger.names()
    answers = [browser.send("/ui/deploy", {"text": carried(text)}) for _ in range(2)]
    assert [answer.headers.get("location") for answer in answers] == ["/ui/workloads/motor"] * 2, answers[0].body.decode()
    workload = box.ledger.workload("motor")
    assert (workload.title, workload.staged.number) == (REQUEST["title"], 1)


def test_a_file_in_yaml_with_what_it_replaces(box, browser):
    text = browser.send("/ui/deploy/check", {"text": "", "file": YAML.replace("motor", "pump").encode()}).body.decode()
    assert "It replaces the staged version 2.0.0, revision 2." in plain(text)
    assert "1.0.0 → to 2.3.0 pump" in plain(text)
    assert browser.send("/ui/deploy", {"text": carried(text)}).headers["location"] == "/ui/workloads/pump"
    assert box.ledger.workload("pump").staged.number == 3


def test_what_is_wrong_with_it_is_said_beside_it_and_nothing_is_stored(box, browser):
    wrong = json.dumps(REQUEST | {"app_version": "", "payloadd": 1, "title": EVIL})
    answer = browser.send("/ui/deploy/check", {"text": wrong, "file": b""})
    text = answer.body.decode()
    assert (answer.status, "payloadd" in plain(text), "<b>x</b>" in text) == (400, True, False)
    assert browser.send("/ui/deploy", {"text": wrong}).status == 400
    assert "motor" not in box.ledger.names()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"text": "", "file": b""}, 400),
        ({"text": "a: 1"}, 400),
        ({"text": "", "file": b"\xff\xfe"}, 400),
        ({"text": "", "file": b"a: 1", "more": ""}, 400),
        ({"text": "", "file": b"x" * (1 << 20) + b"x"}, 413),
        ({"text": "", "file": b"x" * (2 << 20)}, 413),
        ({"text": "a: \x00", "file": b""}, 400),
    ],
)
def test_a_form_without_a_request_is_refused(quiet, fields, status):
    assert as_level(quiet, Level.DEPLOY).send("/ui/deploy/check", fields).status == status


def test_a_corrected_file_counts_not_the_text_of_the_file_before(browser):
    answer = browser.send("/ui/deploy/check", {"text": "a: 1", "file": json.dumps(REQUEST).encode()})
    assert (answer.status, json.loads(carried(answer.body.decode()))) == (200, REQUEST)


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "There is no request: paste one, or choose a file."), (b"a: \xff", "This is not a text in UTF-8: byte 3 is not valid.")],
)
def test_what_cannot_be_read_comes_back_with_the_form(quiet, data, said):
    text = as_level(quiet, Level.DEPLOY).send("/ui/deploy/check", {"text": "", "file": data}).body.decode()
    assert said in plain(text)
    assert 'action="/ui/deploy/check"' in text


def test_only_who_may_deploy_sees_the_way_to_it(quiet):
    assert "/ui/deploy" not in as_level(quiet, Level.OPERATE).get("/ui/").body.decode()
    assert 'href="/ui/deploy"' in as_level(quiet, Level.DEPLOY).get("/ui/").body.decode()
    assert as_level(quiet, Level.DEPLOY).get("/ui/deploy").status == 200


# --- forms with a file ----------------------------------------------------------------------------


class _Sent:
    def __init__(self, kind):
        self.headers = {"content-type": kind}


KIND = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="n%%22.json"\r\nContent-Type: a/b\r\n\r\n%s\r\n'


def test_fields_and_files_are_their_bytes():
    body = PART % (b"a", b"1\r\n--y\r\n") + PART % (b"b", b"") + b"--x--\r\n"
    assert multipart_fields(_Sent(KIND), body) == {"a": b"1\r\n--y\r\n", "b": b""}
    assert multipart_fields(_Sent('multipart/form-data; boundary="x"'), b"--x--") == {}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"--x--"),
        (f"{KIND}\n", b"x--x--"),
        (KIND, b""),
        (KIND, PART % (b"a", b"1")),
        (KIND, b"before" + PART % (b"a", b"1") + b"--x--"),
        (KIND, PART % (b"a", b"1") * 2 + b"--x--"),
        (KIND, b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--"),
        (KIND, b"--x\r\n" + b"a" * 5000 + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--'),
        (KIND, b"".join(PART % (b"f%d" % number, b"") for number in range(MOST_FIELDS + 1)) + b"--x--"),
    ],
)
def test_what_is_no_whole_form_is_refused(kind, body):
    with pytest.raises(Refusal):
        multipart_fields(_Sent(kind), body)
