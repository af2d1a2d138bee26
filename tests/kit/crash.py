"""A crash in the middle of a command, in this process."""


class Crash(BaseException):
    """kill -9, as far as one process can play it: nothing of ours runs after it."""
