"""What was changed at random is read as something that is written the same way again, or refused with an error of its own."""

import json
import random

import pytest

from kelvin_provision.errors import PublicationInvalid, ReportInvalid
from kelvin_provision.publications import artifact, model, report
from tests.fuzz import publications as fuzz
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


def test_what_a_box_is_sent_changed_at_random_is_taken_in_as_it_says_or_refused(tmp_path):
    """The short form of `make fuzz`: the same hundred each time."""
    outcomes = fuzz.FUZZER.run(tmp_path, 20, count=100)
    assert outcomes["staged"] > 0
    assert outcomes.keys() - {"staged", "unchanged"} >= {
        "publication-invalid",
        "publication-differs",
        "publication-older",
        "signature-invalid",
    }


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


@pytest.mark.parametrize("schema", ["\ud800", "\x1b[2J", True, 1.0, [], None, 1 << 60])
def test_a_schema_that_is_none_is_refused_in_words_that_can_be_stored_and_printed(schema):
    """Found by the fuzzer: half a pair of surrogates got into the ledger, which was said to be damaged then."""
    for data, read in ((model.encode(whole_publication()), model.decode), (report.encode(whole_report()), report.decode)):
        document = json.dumps(json.loads(data) | {"schema": schema}).encode()
        with pytest.raises((PublicationInvalid, ReportInvalid), match=r"has a schema that is no number|not a whole number") as refused:
            read(document)
        assert str(refused.value).isprintable()
