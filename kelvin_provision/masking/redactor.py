"""The one filter that every text passes on its way out of this box: line by line, in bounded memory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kelvin_provision.masking.controls import harmless
from kelvin_provision.masking.dumps import without_dumps
from kelvin_provision.masking.forms import forms
from kelvin_provision.masking.parts import Parts
from kelvin_provision.masking.prose import is_prose
from kelvin_provision.masking.secret_fields import Secret, SecretFields
from kelvin_provision.masking.text import HEADER, LOGIN, MASK, Span, field_spans, mask_spans, option_spans

BLOCK = 64 * 1024
LONGEST = 1 << 20
"""Characters of a line that are kept; the rest is left out."""
_PLAIN_KEY = re.compile(r"[a-z]+(_[a-z]+)*")
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_PEM_END = re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY-----")
_PEM_WHOLE = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.{0,8192}?-----END [A-Z0-9 ]*PRIVATE KEY-----", re.DOTALL)
_PEM_LINE = re.compile(r"\s*(?:[A-Za-z0-9+/=]{1,76}|.*\s[A-Za-z0-9+/]{16,76}={0,2}|.*\s[A-Za-z0-9+/]+={1,2}|Proc-Type:.*|DEK-Info:.*|)\s*")
_SCHEME = re.compile(r"\b(?i:(bearer|basic))(\s+)(?=[^\s\"']*[A-Z0-9=])[A-Za-z0-9._~+/=-]{6,}")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?")
_LONG = re.compile(r"(?<![A-Za-z0-9+/])(?=[A-Za-z0-9+/]*[a-z])(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*[0-9])[A-Za-z0-9+/]{60,}={0,2}")


@dataclass(frozen=True)
class Rule:
    """A rule, as listed in the bundle."""

    id: str
    what: str


KNOWN = Rule("known-values", "known secrets of this box in any form: plain, line by line, escaped, percent-encoded, in base64")
NAMES = Rule(
    "names",
    "values under names that promise a secret (password, secret, token, apiKey, auth, ...), variables and headers that are not known to be "
    "harmless, passwords in commands; references stay",
)
PEM = Rule("private-keys", "private keys in PEM, whole blocks")
LOGINS = Rule("logins-in-addresses", "logins before the @ of an address")
HEADERS = Rule("headers", "the values of headers such as Authorization and Cookie; tokens after `Bearer` and `Basic`")
JWTS = Rule("web-tokens", "JSON web tokens")
LONG = Rule("long-base64", "60 or more characters of base64 in a row; in documents, all base64 under `data`")
RULES = (KNOWN, NAMES, PEM, LOGINS, HEADERS, JWTS, LONG)


def mask_text(text: str, secrets: Iterable[str | bytes] = ()) -> str:
    """`Redactor.foreign` for a text of which no more than these secrets are known."""
    return Redactor(secret.encode() if isinstance(secret, str) else secret for secret in secrets).foreign(text)


class Redactor:
    """`secrets` are those of this box; `counts` is how often each rule matched.

    `subjects` are names that messages are about, such as those of workloads: what follows them is no secret for that.
    """

    def __init__(self, secrets: Iterable[bytes] = (), subjects: Collection[str] = ()) -> None:
        self._forms = forms(secrets)
        self._subjects = frozenset(subject.lower() for subject in subjects)
        self._parts = Parts(self._forms)
        self._overlap = self._parts.longest
        self.counts: Counter[str] = Counter()

    def document(self, value: Any) -> Any:
        """A copy of a JSON document without secrets: first by its names, then each text by all rules."""
        return self._each(SecretFields(self._counted).walk(value))

    def _counted(self, _: Any, shown: str, __: Sequence[Secret]) -> str:
        logins = shown.count(f"://{MASK}@")
        self.counts[LOGINS.id] += logins
        self.counts[NAMES.id] += shown.count(MASK) - logins
        return shown

    def _each(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._key(str(key)): self._each(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._each(item) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def _key(self, key: str) -> str:
        """Keys of our own documents are plain words, and stay also when a password is such a word."""
        return key if _PLAIN_KEY.fullmatch(key) else self.text(key)

    @property
    def overlap(self) -> int:
        """The number of characters at the end of a text in which a known secret may begin that the next text continues."""
        return max(self._overlap - 1, 0)

    def foreign(self, text: str) -> str:
        """A text of API server, engine, registry, hook or container, fit to be shown, stored and sent.

        Quoted objects are left out; what looks like a secret is masked without being known; control characters do nothing.
        """
        return harmless(self.text(without_dumps(text)))

    def known(self, text: str, after: str = "") -> str:
        """Only known secrets masked, and parts of them at the ends: for the log of an application, whose other words are its business.

        `after` is the end of the text before it: a line may be broken within a secret.
        """
        begin = self._parts.continued(after, text) if after else 0
        whole = self._parts.masked(self.known_whole(text[begin:]))
        return f"{MASK}{whole}" if begin else whole

    def known_whole(self, text: str) -> str:
        """Only known secrets that are whole masked."""
        return self._without_known(text)

    def text(self, text: str) -> str:
        """A text of any number of lines."""
        return "".join(self.stream([self.known(text)])) if text else text

    def stream(self, chunks: Iterable[str]) -> Iterator[str]:
        """Filter text, independent of how it is cut into chunks; at most a block of lines is buffered."""
        inside = False
        for block in _blocks(chunks, self._begin_of):
            kept, inside = self._without_keys(self._without_known(block), inside=inside)
            yield self._by_pattern(kept)

    def _begin_of(self, line: str) -> str:
        """The beginning of a line that is too long, without the length of the longest secret at its end, which may be a cut one."""
        kept = self._without_known(line[:LONGEST])
        return f"{kept[: len(kept) - self._overlap]} [line truncated]\n"

    def _without_known(self, block: str) -> str:
        for form in self._forms:
            if form in block:
                self.counts[KNOWN.id] += block.count(form)
                block = block.replace(form, MASK)
        return block

    def _without_keys(self, block: str, *, inside: bool) -> tuple[str, bool]:
        """Without private keys, also those that begin or end in another block; and whether one continues after this block."""
        block = self._replaced(PEM, _PEM_WHOLE, lambda _: MASK, block)
        if not inside and "PRIVATE KEY-----" not in block:
            return block, False
        kept = []
        for line in block.splitlines(keepends=True):
            if inside:
                end = _PEM_END.search(line)
                inside = end is None and _PEM_LINE.fullmatch(line) is not None
                if inside:
                    continue
                kept.append(line[end.end() :].lstrip() if end else line)
                continue
            begin = _PEM.search(line)
            if begin:
                self.counts[PEM.id] += 1
                inside = True
                # in JSON, the whole key is one line, perhaps without its end
                kept.append(f"{line[: begin.start()]}{MASK}\n")
                continue
            kept.append(line)
        return "".join(kept), inside

    def _by_pattern(self, block: str) -> str:
        block = self._replaced(HEADERS, HEADER, _without_value, block)
        block = self._replaced(HEADERS, _SCHEME, lambda match: f"{match[1]}{match[2]}{MASK}", block)
        block = self._replaced(LOGINS, LOGIN, lambda match: f"{match['scheme']}{MASK}@", block)
        block = self._replaced(JWTS, _JWT, lambda _: MASK, block)
        block = self._without(option_spans(block), block)
        block = self._without(field_spans(block, self._subjects), block)
        return self._replaced(LONG, _LONG, lambda _: MASK, block)

    def _without(self, spans: Iterable[Span], block: str) -> str:
        spans = list(spans)
        self.counts[NAMES.id] += len(spans)
        return mask_spans(block, spans)

    def _replaced(self, rule: Rule, pattern: re.Pattern[str], put: Callable[[re.Match[str]], str], block: str) -> str:
        def counted(match: re.Match[str]) -> str:
            text = put(match)
            self.counts[rule.id] += text != match[0]
            return text

        return pattern.sub(counted, block)


def _without_value(match: re.Match[str]) -> str:
    if is_prose(match["value"]):
        return match[0]
    return f"{match[0][: match.start('value') - match.start()]}{MASK}"


def _blocks(chunks: Iterable[str], begin_of: Callable[[str], str]) -> Iterator[str]:
    """Blocks of complete lines; of an endless line, what `begin_of` returns."""
    rest, skipping = "", False
    for chunk in chunks:
        for at in range(0, len(chunk), BLOCK):
            whole, newline, rest = (rest + chunk[at : at + BLOCK]).rpartition("\n")
            block = whole + newline
            if block and skipping:
                block, skipping = block.partition("\n")[2], False
            if block:
                yield block
            if skipping:
                rest = ""
            elif len(rest) > LONGEST:
                yield begin_of(rest)
                rest, skipping = "", True
    if rest:
        yield rest
