"""What a person still has to say before a box is set up, each with its option and its default. Pure but for the files that are named."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kelvin_provision.errors import UsageRefused
from kelvin_provision.settings import keys
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.setup import trust_keys
from kelvin_provision.setup.answers import Answers
from kelvin_provision.setup.finding import Candidate
from kelvin_provision.setup.present import Present
from kelvin_provision.tls.listen import split


@dataclass(frozen=True)
class Question:
    """`label` stands before the answer, `text` above it. `answered` adds an answer, or raises why it is refused; empty is the default.

    `needed`: it has no default that a script could take.
    """

    option: str
    label: str
    text: str
    default: str
    answered: Callable[[Answers, str], Answers]
    needed: bool = False


def missing(present: Present, candidates: Sequence[Candidate], answers: Answers) -> Iterator[Question]:
    """Those of a new box that were not answered by options."""
    if not present.is_new:
        return
    kinds = list(dict.fromkeys(candidate.name for candidate in candidates))
    if (
        len(kinds) > 1
        and answers.cluster is None
        and answers.kubeconfig is None
        and not present.is_set("cluster.type", "cluster.kubeconfig")
    ):
        names = ", ".join(kinds)
        yield Question("--cluster TYPE", "Cluster", f"What runs the workloads of this box: {names}.", kinds[0], _cluster(kinds))
    if answers.registry is None and not present.is_set("registry"):
        text = "The registry from which <app_name>:<app_version> is pulled, such as registry.example.com:5000."
        yield Question("--registry HOST[:PORT]", "Registry", text, "none", _registry)
    if answers.cluster_name is None and not present.is_set("cluster.name"):
        yield Question("--cluster-name NAME", "Name", "The name of this cluster on the platform.", "none", _name)
    if not answers.trust_keys and not present.is_set("trust.keys"):
        text = "Public keys whose signatures this box accepts: files, separated by spaces."
        yield Question("--trust-key FILE", "Keys", text, "none", _keys)
    if _wants_api(present, answers) and not answers.listen and not present.is_set("api.listen"):
        text = "An address of the API for other machines, such as 0.0.0.0:443. Programs on this box reach it at 127.0.0.1:30000."
        yield Question("--listen ADDRESS:PORT", "Address", text, "none", _listen)


def needs_user(present: Present, answers: Answers) -> bool:
    """Whether the API would let none in, and no user was named."""
    return _wants_api(present, answers) and present.is_new and not present.users and answers.user is None and answers.start


def _wants_api(present: Present, answers: Answers) -> bool:
    return answers.api if answers.api is not None else present.is_new or present.has_api


def _cluster(kinds: Sequence[str]) -> Callable[[Answers, str], Answers]:
    by_name = {kind.lower(): kind for kind in kinds}

    def answered(answers: Answers, text: str) -> Answers:
        if text and text.lower() not in by_name:
            raise UsageRefused(f"{text} is not one of {', '.join(kinds)}")
        return replace(answers, cluster=by_name.get(text.lower(), kinds[0]))

    return answered


def _registry(answers: Answers, text: str) -> Answers:
    return replace(answers, registry=_setting("registry", text))


def _name(answers: Answers, text: str) -> Answers:
    return replace(answers, cluster_name=_setting("cluster.name", text))


def _setting(name: str, text: str) -> str | None:
    if not text:
        return None
    keys.value_from_text(name, keys.find(name)[0], text)
    return text


def _keys(answers: Answers, text: str) -> Answers:
    try:
        files = tuple(Path(word).expanduser() for word in shlex.split(text))
    except (ValueError, RuntimeError) as error:
        raise UsageRefused(f"{text}: {error}") from error
    trust_keys.copies(files, Path("/"), TrustSettings())
    return replace(answers, trust_keys=files)


def _listen(answers: Answers, text: str) -> Answers:
    addresses = tuple(text.replace(",", " ").split())
    for address in addresses:
        split(address)
    return replace(answers, listen=addresses)
