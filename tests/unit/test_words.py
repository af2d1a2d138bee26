"""The field's words: what code, messages and documents say, and what they must not say. The words are in docs/glossary.md."""

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PHRASES = {
    r"unless told": "the default: '[default: apply.timeout]'",
    r"right is (to|one)": "what is required: 'required field is missing'",
    r"[0-9}] signs\b": "characters",
    r"\b(nobody|somebody|whoever)\b": "who it is: the user, another process, an administrator; or the passive",
    r"\bwhose the\b": "a second sentence",
    r"\bat the most\b": "at most",
    r"\banew\b": "again, from the start, restart",
    r"which is past\b": "no longer supported",
    r"sends on to\b": "redirects to",
    r"stands? under\b": "is listed below, has the name",
    r"\b(goes|go) on at (its|the) last byte": "continues at the byte where it stopped",
}
IDENTIFIERS = {
    r"Care|Blame|MORTAL|Veiled|Sights?|Lanes?|Ears|Doubts|Patience": "OnFailure, FailureCause, Masked, ImageStatus, TransferSlots, WaitCallbacks",
    r"courtesy|tending|nudge\w*|unstick|pulse": "background, reconciler, retry_stuck_pods, watchdog",
    r"whereabouts|way_back|census|foresee\w*|foretell\w*|appointments?|appoint": "cluster_identity, undo, inventory, preview, ScheduledApply",
    r"(?!_?not_found)(\w+_)?(one|found|told|said|wanted|heard|came)|stands_under": "the noun of the thing",
}


def documents():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "kelvin_provision").rglob("*.md"))]
    texts = {page: page.read_text() for page in pages}
    changelog = ROOT / "CHANGELOG.md"
    texts[changelog] = changelog.read_text().partition("\n## [0")[0]
    return texts


def modules():
    return {path: path.read_text() for path in sorted((ROOT / "kelvin_provision").rglob("*.py"))}


def violations(texts):
    """Line by line only where a text has the phrase at all: that takes a tenth of the time."""
    for pattern, instead in PHRASES.items():
        phrase = re.compile(pattern, re.IGNORECASE)
        for path, text in texts.items():
            if phrase.search(text):
                for number, line in enumerate(text.splitlines(), 1):
                    for match in phrase.finditer(line):
                        yield f"{path.relative_to(ROOT)}:{number}: {match[0]!r}; write {instead}"


def unwanted_names(texts):
    for pattern, instead in IDENTIFIERS.items():
        name = re.compile(rf"\b(?:{pattern})\b")
        for path, text in texts.items():
            if name.search(text):
                for token in tokenize.generate_tokens(io.StringIO(text).readline):
                    if token.type == tokenize.NAME and name.fullmatch(token.string):
                        yield f"{path.relative_to(ROOT)}:{token.start[0]}: {token.string}; write {instead}"


def test_texts_are_in_plain_words():
    assert "\n".join(violations(documents() | modules())) == ""


@pytest.mark.slow
def test_identifiers_are_the_words_of_the_field():
    assert "\n".join(unwanted_names(modules())) == ""


def test_a_violation_is_named_with_file_line_and_what_to_write():
    texts = {ROOT / "a.py": "x = 1\ntold = f(x)  # nobody knows\n"}
    assert list(violations(texts)) == ["a.py:2: 'nobody'; write " + PHRASES[r"\b(nobody|somebody|whoever)\b"]]
    assert list(unwanted_names(texts)) == ["a.py:2: told; write the noun of the thing"]
