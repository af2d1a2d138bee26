"""`5/15m`: after so many failed logins in a row, a user is locked out for so long. Pure."""

from __future__ import annotations

import re
from typing import Self

from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.quantity import DAY, InvalidQuantity, format_duration, parse_duration

FORM = "none, or failures and a time such as 5/15m"
_TEXT = re.compile(r"([1-9][0-9]{0,2})/(\S+)")


@dataclass(frozen=True)
class Lockout:
    failures: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for `none`. Raises ValueError with what is accepted."""
        if text == "none":
            return None
        match = _TEXT.fullmatch(text)
        if not match:
            raise ValueError(FORM)
        try:
            return cls(int(match[1]), parse_duration(match[2], minimum=1.0, maximum=30.0 * DAY))
        except InvalidQuantity as error:
            raise ValueError(f"{FORM}; the time is {error.expected}") from error

    def __str__(self) -> str:
        return f"{self.failures}/{format_duration(self.seconds)}"
