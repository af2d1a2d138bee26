"""A report of a box is read as it was written; what breaks a rule is refused, also where nothing is known of who wrote it."""

from dataclasses import replace

import pytest

from kelvin_provision.errors import ReportInvalid
from kelvin_provision.publications import limits
from kelvin_provision.publications.report import ReportedRevision, ReportedWorkload, decode, encode, fitting
from tests.kit.documents import with_value
from tests.kit.publishing import whole_report

DIGEST = f"sha256:{1:064x}"


def test_what_is_written_is_read_as_it_was():
    assert decode(encode(whole_report())) == whole_report()
    assert encode(decode(encode(whole_report()))) == encode(whole_report())
    silent = replace(whole_report(), within=None)
    assert decode(encode(silent)) == silent


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 2),
        (("kind",), "publication"),
        (("more",), 1),
        (("box",), "a/b"),
        (("box",), "\x1b[2J"),
        (("created",), "2026-99-28T10:00:00Z"),
        (("created",), 0),
        (("within",), 0),
        (("within",), None),
        (("program",), ""),
        (("platform",), "linux"),
        (("cluster",), "a\nb"),
        (("labels",), []),
        (("labels",), {f"l{n}": "" for n in range(limits.LABELS + 1)}),
        (("following", 0, "serial"), -1),
        (("following", 0, "digest"), "x"),
        (("following",), [1]),
        (("workloads", 0, "name"), "pump\n"),
        (("workloads", 0, "state"), None),
        (("workloads", 0, "running"), {"version": "1"}),
        (("workloads", 0, "running", "version"), "\x1b"),
        (("workloads", 0, "error"), "x" * 1025),
        (("workloads", 1, "name"), "pump"),
    ],
)
def test_what_breaks_a_rule_is_refused(path, value):
    with pytest.raises(ReportInvalid):
        decode(with_value(encode(whole_report()), path, value))


@pytest.mark.parametrize(
    ("workloads", "error", "kept"),
    [
        (3, "x" * 300, [300]),
        (600, "\N{LATIN SMALL LETTER U WITH DIAERESIS}" * 300, [60]),
        (1000, "a,b:" * 75, [0]),
        (limits.WORKLOADS, "x" * 300, [0]),
    ],
)
def test_what_does_not_fit_is_left_out_by_the_box_and_not_refused_at_the_desk(workloads, error, kept):
    version = ReportedRevision("1.0.0", DIGEST)
    rows = tuple(ReportedWorkload(f"workload-{number}", "failed", version, version, error) for number in range(workloads))
    sent = fitting(replace(whole_report(), workloads=rows))
    assert decode(encode(sent)) == sent
    assert list({len(each.error) for each in sent.workloads}) == kept
    assert (len(sent.workloads) == workloads) is (workloads < limits.WORKLOADS)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b"[]," * 100_000, b" " * (limits.REPORT + 1)])
def test_what_is_no_document_is_refused(data):
    with pytest.raises(ReportInvalid):
        decode(data)
