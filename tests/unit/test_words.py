"""The field's words: what code, messages and documents say, and what they must not say. The words are in docs/glossary.md."""

import io
import re
import tokenize
from pathlib import Path

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


def violations(texts, table):
    for path, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            for pattern, instead in table.items():
                for match in re.finditer(pattern, line, re.IGNORECASE):
                    yield f"{path.relative_to(ROOT)}:{number}: {match[0]!r}; write {instead}"


def names(text):
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [(token.start[0], token.string) for token in tokens if token.type == tokenize.NAME]


def test_texts_are_in_plain_words():
    assert "\n".join(violations(documents() | modules(), PHRASES)) == ""


def test_identifiers_are_the_words_of_the_field():
    unwanted = [
        f"{path.relative_to(ROOT)}:{number}: {name}; write {instead}"
        for path, text in modules().items()
        for number, name in names(text)
        for pattern, instead in IDENTIFIERS.items()
        if re.fullmatch(pattern, name)
    ]
    assert "\n".join(unwanted) == ""
