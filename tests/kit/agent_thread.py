"""The agent of a box of the kit in a thread of this process, with its socket."""

import contextlib

from kelvin_provision import questions
from kelvin_provision.agent.questions.answering import short_path, socket_path
from kelvin_provision.files.sockets import connect_unix
from tests.kit.api import serving
from tests.kit.meanwhile import working
from tests.kit.waiting import until


def answers(state_dir):
    """Whether the agent of this state directory takes connections; its socket may be that of one before it."""
    with contextlib.suppress(OSError), short_path(socket_path(state_dir)) as path:
        connect_unix(path)
        return True
    return False


@contextlib.contextmanager
def agent(box, answer=questions.answer, jobs=None):
    """It carries orders out and answers questions."""
    with working(lambda stop: box.work(stop=stop, answer=answer, jobs=jobs)):
        until(lambda: answers(box.settings.state_dir))
        yield


@contextlib.contextmanager
def serving_beside_agent(box, *, jobs=None, secure=False):
    """A client of the API of this box, and an agent beside it that has other connections."""
    own = type(box)(box.settings.state_dir, like=box)
    with contextlib.closing(own), agent(own, jobs=jobs), serving(box, secure=secure) as api:
        yield api
