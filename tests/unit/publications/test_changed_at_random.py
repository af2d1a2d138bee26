"""What was changed at random is read as something that is written the same way again, or refused with an error of its own."""

import json
import random

import pytest

from kelvin_provision.errors import PublicationInvalid, ReportInvalid
from kelvin_provision.publications import artifact, model, report
from tests.kit.publishing import made_artifact, whole_publication, whole_report

CASES = 3000
VALUES = [None, True, -1, 0, 1 << 60, 1.5, "", "x" * 2000, "\u202e", "\x00", [], {}, [[]], {"a": 1}, "sha256:" + "0" * 64, ["*"] * 5]


def damaged(data, chance):
    """Bytes that are other ones, or values of the document that are."""
    if chance.random() < 0.3:
        at = chance.randrange(len(data))
        return data[:at] + chance.randbytes(chance.randrange(3)) + data[at + chance.randrange(3) :]
    document = json.loads(data)
    inner = document
    while True:
        keys = list(inner) if isinstance(inner, dict) else range(len(inner))
        if not keys:
            return json.dumps(document).encode()
        key = chance.choice(list(keys))
        if not isinstance(inner[key], dict | list) or chance.random() < 0.2:
            inner[key] = chance.choice(VALUES)
            return json.dumps(document).encode()
        inner = inner[key]


@pytest.mark.parametrize(
    ("data", "read", "refused"),
    [
        (model.encode(whole_publication()), lambda data: model.encode(model.decode(data)), PublicationInvalid),
        (report.encode(whole_report()), lambda data: report.encode(report.decode(data)), ReportInvalid),
        (made_artifact().manifest, lambda data: artifact.read(data, model.PAYLOAD_TYPE) and data, PublicationInvalid),
    ],
    ids=["publication", "report", "manifest"],
)
def test_what_was_changed_is_read_or_refused(data, read, refused):
    chance, accepted = random.Random(20), 0  # noqa: S311  (no secret)
    for _ in range(CASES):
        changed = damaged(data, chance)
        try:
            written = read(changed)
        except refused:
            continue
        accepted += 1
        assert read(written) == written
    assert 0 < accepted < CASES
