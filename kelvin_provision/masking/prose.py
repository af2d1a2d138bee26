"""The words that follow a colon in our own messages: `secret db-password: there is no file ...`. They are never secrets. Pure.

A test reads them from the messages of this package.
"""

from __future__ import annotations

import re

WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a an the this that these those it its here there is are was were be been has have had do does did can cannot could may must
        should will would not no none nothing neither only more less other others another every everything each any all what which
        who when where why how if in on of for from by with without to into at as than then too up out again already still now
        expected got unknown duplicate required missing invalid empty unsupported unreadable unexpected denied refused forbidden
        permission connection file folder key value name field variable secret token password registry registries image layer
        container containerd docker kubernetes kubelet cluster runtime workload namespace service version revision status mode
        admission node pods taint clients
        metadata manifest blob document data api exit signal stopped stop started start changed applied exposed ended deleted created
        updated made failed error warning hint reading writing reads wants waits waiting asked answers sends redirects comes goes
        received read written sent seen found given taken kept set reset removed added answered accepted rejected closed opened lost used
        needed left put pulled downloaded imported verified checked scheduled staged deployed rolled running failing pending ready done
        some one two three first last next same new old also only waiting taking took needs uses keeps stays remains belongs contains
        gives holds says line lines bytes text list mapping number short long larger smaller because after before content
        true false yes null default serial
        """,
    )
)

_START = re.compile(r"([A-Za-z]+)[,;]?[ \t]+\S")
_PARTICIPLE = re.compile(r"[a-z]+(?:ed|ing)")
_SUBJECT = re.compile(r"(?:[A-Z][A-Za-z]+|container|volume|image|pod)/[\w.-]+(?:[:,;]|\s|$)|[0-9]{1,5} [a-z]")
"""`auth: Deployment/auth: ...`, `auth: 2 of 3 pods`: a workload, too, may have a name that promises a secret."""


def is_prose(text: str) -> bool:
    """Whether a sentence of ours continues here. A word on its own does not: `password: there`."""
    if _SUBJECT.match(text):
        return True
    match = _START.match(text)
    return match is not None and (match[1].lower() in WORDS or _PARTICIPLE.fullmatch(match[1]) is not None)
