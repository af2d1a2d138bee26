"""The questions of `setup` at a terminal; without one, or with --yes, what is missing is refused with its option."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kelvin_provision.cli.frame import terminal
from kelvin_provision.cli.frame.edge import Cancelled
from kelvin_provision.cli.frame.values.files import secret_in
from kelvin_provision.cli.render import layout
from kelvin_provision.errors import AnswersMissing, PasswordRefused, ProvisionError, UsageRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.setup import questions
from kelvin_provision.setup.answers import Answers, NewUser
from kelvin_provision.setup.questions import Question

if TYPE_CHECKING:
    from kelvin_provision.access.levels import Level
    from kelvin_provision.setup.finding import Candidate
    from kelvin_provision.setup.present import Present

FIRST = "admin"
"""The name of the first user, unless another one is typed."""
_USER = "--user NAME with --password-file FILE, or --no-user: the first user of the API"


@dataclass(frozen=True)
class UserOptions:
    """How the first user is given. `none`: --no-user; `later`: a dry run, which needs no password."""

    name: str | None
    level: Level
    file: Path | None
    stdin: bool
    none: bool
    later: bool = False

    def refuse_contradiction(self) -> None:
        """Raises UsageRefused."""
        if self.none and self.name is not None:
            raise UsageRefused("--user and --no-user contradict each other")
        if self.file is not None and self.stdin:
            raise UsageRefused("--password-file and --password-stdin contradict each other")
        if self.name is None and (self.file is not None or self.stdin):
            raise UsageRefused("a password without a user", hint="add --user NAME")


def completed(present: Present, candidates: Sequence[Candidate], answers: Answers, user: UserOptions, *, ask: bool, yes: bool) -> Answers:
    """With what a person says, or the defaults. `ask`: there is a terminal. Raises AnswersMissing, Cancelled."""
    user.refuse_contradiction()
    open_questions = list(questions.missing(present, candidates, answers))
    asks_user = questions.needs_user(present, answers) and user.name is None and not user.none and not user.later
    if not ask or yes:
        refused = [] if yes else [f"{question.option}: {question.text}" for question in open_questions]
        if refused or (asks_user and not ask):
            _refuse([*refused, *([_USER] if asks_user else [])], only_user=not refused)
        open_questions = []
    for question in open_questions:
        answers = _answered(question, answers)
    if user.name is not None or asks_user:
        answers = replace(answers, user=_user(present, user, ask=ask))
    return answers


def _refuse(evidence: Sequence[str], *, only_user: bool) -> None:
    user = "add --user NAME --password-file FILE, or --no-user"
    count = "an answer is" if len(evidence) == 1 else f"{len(evidence)} answers are"
    hint = user if only_user else f"add --yes to take the defaults; {user}" if evidence[-1] == _USER else ""
    raise AnswersMissing(f"{count} missing, and there is no terminal to ask on", hint=hint, evidence=evidence)


def _answered(question: Question, answers: Answers) -> Answers:
    """Until it is right: everything is asked before anything is changed."""
    _say(question.text)
    while True:
        text = _line(f"{question.label} [{question.default}]: ")
        try:
            return question.answered(answers, "" if text == question.default else text)
        except ProvisionError as error:
            _say(str(error))


def _user(present: Present, options: UserOptions, *, ask: bool) -> NewUser:
    name = options.name
    if name is None:
        _say("The first user of the API, for programs and for the pages; level admin.")
        name = _line(f"User [{FIRST}]: ") or FIRST
    if name in present.users:  # it has its password
        return NewUser(name, options.level, "")
    return NewUser(name, options.level, _password(options, ask=ask))


def _password(options: UserOptions, *, ask: bool) -> str:
    if options.later:
        return ""
    if options.file is not None:
        return secret_in(options.file, "password", PasswordRefused)
    if options.stdin or ask:
        from kelvin_provision.access.passwords import refuse_weak
        from kelvin_provision.cli.commands.api.user.password import ask as ask_password

        for _ in range(0 if options.stdin else 2):
            try:
                password = ask_password(stdin=False)
                refuse_weak(password)
            except (PasswordRefused, UsageRefused) as error:
                _say(f"{error}.")
            else:
                return password
        return ask_password(stdin=options.stdin)
    raise AnswersMissing(
        "the password is missing, and there is no terminal to ask on", hint="add --password-file FILE, or --password-stdin"
    )


def _say(text: str) -> None:
    terminal.write(sys.stderr, f"{layout.wrapped(terminal.plain(text), layout.width_of(sys.stderr))}\n")


def _line(prompt: str) -> str:
    terminal.write(sys.stderr, terminal.plain(prompt))
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        terminal.write(sys.stderr, "\n")
        raise Cancelled("nothing was changed")
    return answer.strip()
