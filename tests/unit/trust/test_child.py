"""The process that verifies, and the commands that sign: what becomes of one that fails, hangs or is killed."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from kelvin_provision.errors import (
    OurBug,
    SignatureInvalid,
    SigningFailed,
    TrustDocumentRefused,
)
from kelvin_provision.trust import child, computing
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.documents.accepting import Beside, followed
from kelvin_provision.trust.dsse import REQUEST, Entry, document
from kelvin_provision.trust.signing import SignCommand, sign
from kelvin_provision.trust.verifying import verify
from tests.kit.signing import signature, trusting
from tests.kit.trusting import signed, trust_document

CONTENT = b'{"name": "pump"}'


@pytest.mark.parametrize(
    "code", ["raise SystemExit(0)", "print('[]')", "print('{\"fits\": []}')", "import os; os.kill(os.getpid(), 9)", "1/0"]
)
def test_a_child_that_does_not_answer_has_verified_nothing(code, site, anna, monkeypatch):
    from kelvin_provision.files import one_shot

    monkeypatch.setattr(one_shot, "own_process", lambda _: [sys.executable, "-S", "-c", code])
    with pytest.raises(OurBug, match="check a signature"):
        verify(REQUEST, CONTENT, document([Entry(anna[1].key_id, signature(anna[0], CONTENT))]), Trust(site))


def test_a_command_that_signs_is_checked(anna, in_this_process):
    with pytest.raises(SigningFailed, match="is not a signature by anna"):
        sign(REQUEST, CONTENT, SignCommand(("head", "-c", "64"), anna[1]))
    for words, reason in [
        (("true",), "answered nothing"),
        (("cat",), "is not a signature"),
        (("false",), "exit code 1"),
        (("/nonexistent",), "no such file"),
        (("head", "-c", "1000", "/dev/zero"), "more than 128 bytes"),
        (("yes",), "more than 128 bytes"),
    ]:
        with pytest.raises(SigningFailed, match=reason):
            sign(REQUEST, CONTENT, SignCommand(words, anna[1]))


@pytest.mark.slow
def test_a_child_that_is_killed_in_the_middle_has_verified_nothing(site, anna):
    """By its pid, as soon as it is there."""
    good = document([Entry(anna[1].key_id, signature(anna[0], CONTENT))])
    ended = threading.Event()

    def kill():
        while not ended.is_set():
            for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
                with suppress(OSError, ValueError):
                    for pid in map(int, path.read_text().split()):
                        if b"kelvin_provision.trust.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(OurBug, match="ended by signal 9"):
            verify(REQUEST, CONTENT, good, Trust(site))
    finally:
        ended.set()
        killer.join()
    assert verify(REQUEST, CONTENT, good, Trust(site)).signers


@pytest.mark.slow
def test_the_largest_content_with_the_most_signatures_takes_bounded_memory_and_time(tmp_path, anna):
    """32 signatures, each over 16 MiB; in a process of its own, which says what it and its child took."""
    content = bytes(16 << 20)
    good = document([Entry(anna[1].key_id, signature(anna[0], content))] * 32)
    (tmp_path / "signatures").write_bytes(good.replace(b" ", b"").replace(b"\n", b""))
    settings = trusting(tmp_path, anna)
    code = f"""
import re, resource, time
from pathlib import Path
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.believed import Trust
from kelvin_provision.trust.verifying import verify
began = time.monotonic()
assert len(verify({REQUEST!r}, bytes(16 << 20), Path({str(tmp_path / "signatures")!r}).read_bytes(), Trust(TrustSettings((Path({str(settings.keys[0])!r}),)))).signers) == 1
own = re.search("VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]  # that of getrusage has what pytest took
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, own, time.monotonic() - began)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    child_memory, own, seconds = map(float, done.stdout.split())
    assert child_memory < 96 * 1024
    assert own < 128 * 1024
    assert seconds < 30


def test_a_chain_and_what_came_beside_it_are_checked_by_one_real_child(site, anna, bert):
    chain = [signed(trust_document(1, bert), anna, bert), signed(trust_document(2, anna, bundles=[bert]), anna, bert)]
    right, wrong = signature(bert[0], CONTENT), signature(bert[0], CONTENT + b" ")
    entries = (Entry(bert[1].key_id, right), Entry(anna[1].key_id, signature(anna[0], CONTENT)), Entry(bert[1].key_id, wrong))
    result = followed(Trust(site).current, chain, Beside("bundles", REQUEST, CONTENT, entries))
    assert [step.document.number for step in result.steps] == [1, 2]
    assert result.fits(REQUEST, CONTENT, [(bert[1], right), (bert[1], wrong), (anna[1], entries[1].signature)]) == (True, False, False)
    assert result.fits(REQUEST, CONTENT + b" ", [(bert[1], right), (bert[1], wrong)]) == (False, True)
    with pytest.raises(TrustDocumentRefused, match="of number 1 itself") as refused:
        followed(Trust(site).current, [signed(trust_document(1, bert), anna)])
    assert refused.value.hint.action == "trust sign"


def test_content_that_is_too_large_starts_no_child(site, anna, monkeypatch):
    monkeypatch.setattr(computing, "ask", None)
    with pytest.raises(SignatureInvalid, match="at most 16777216"):
        verify(REQUEST, bytes((16 << 20) + 1), document([Entry(anna[1].key_id, b"x" * 64)]), Trust(site))


@pytest.mark.slow
def test_the_child_is_bounded_by_the_kernel_and_leaves_no_core():
    code = (
        "import resource\nfrom kelvin_provision.trust import child\nchild.limit_itself()\n"
        "print([resource.getrlimit(kind) for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_CORE)])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str([(child.MEMORY,) * 2, (child.PROCESSOR,) * 2, (0, 0)])


def test_a_command_that_signs_is_not_waited_for_without_end(anna):
    with pytest.raises(SigningFailed, match="did not answer"):
        sign(REQUEST, CONTENT, SignCommand(("sleep", "60"), anna[1], timeout=0.2))
