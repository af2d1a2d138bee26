"""The token of `node join`: from standard input, a terminal or a file; and in the command line, where others see it."""

import getpass
import os

import pytest

from kelvin_provision.nodes import managing
from tests.kit.box import Box
from tests.kit.meanwhile import working
from tests.kit.servers.reserved import free_port
from tests.kit.sites import box_at
from tests.kit.waiting import until

TOKEN = f"kn1.{'a' * 64}.{'b' * 64}"
NO_TOKEN = "that is not a token of a leader"


@pytest.fixture
def box(tmp_path):
    found = Box(tmp_path / "state")
    yield found
    found.close()


def join(box, *words, stdin="", code, **more):
    """What is said where nothing listens: a token that was read and is one leads to an attempt."""
    ended = box.ended("node", "join", f"https://127.0.0.1:{free_port()}", *words, stdin=stdin, code=code, **more)
    assert TOKEN not in ended.stdout + ended.stderr
    return ended.stderr


def test_in_the_command_line_it_is_taken_and_not_repeated(box):
    assert "cannot be reached" in join(box, "--token", TOKEN, code=os.EX_UNAVAILABLE)
    assert NO_TOKEN in join(box, "--token", "kn1.x", code=2)


def test_others_who_could_read_it_are_told_of_and_what_to_type_next(tmp_path):
    leader = box_at(tmp_path / "leader")
    with working(leader.work):
        until(lambda: any("serving other nodes" in str(event) for event in leader.said))
        for name, word in (("node-b", "-"), ("node-c", "")):
            made, member = managing.make_token(leader.ctx), Box(tmp_path / name)
            words = ("node", "join", made.url, "--name", name, "--cluster-node", name, "--token", word or made.text)
            ended = member.ended(*words, stdin=f"{made.text}\n")
            assert made.text not in ended.stdout + ended.stderr
            assert ("in the list of processes" in ended.stderr, " next: kelvin-provision agent install" in ended.stderr) == (not word, True)
            member.close()
    leader.close()


def test_it_comes_from_standard_input(box):
    assert "cannot be reached" in join(box, "--token", "-", stdin=f"{TOKEN}\n", code=os.EX_UNAVAILABLE)
    assert NO_TOKEN in join(box, "--token", "-", stdin="kn1.x\n", code=2)


def test_at_a_terminal_it_is_asked_for_without_an_echo(box, monkeypatch):
    monkeypatch.setattr(getpass, "getpass", lambda _: TOKEN)
    assert "cannot be reached" in join(box, "--token", "-", terminal=True, code=os.EX_UNAVAILABLE)


def test_what_is_typed_may_end_or_be_no_text(box, monkeypatch):
    def typed(error):
        def getpass_(prompt):
            raise error

        monkeypatch.setattr(getpass, "getpass", getpass_)
        return box.run("node", "join", "https://127.0.0.1:1", "--token", "-", terminal=True)

    ended = typed(EOFError())
    assert (ended.exit_code, ended.stdout, ended.stderr.strip()) == (130, "", "Cancelled.")
    ended = typed(UnicodeDecodeError("utf-8", TOKEN.encode(), 0, 1, "invalid start byte"))
    assert (ended.exit_code, ended.stderr) == (2, "error: what was typed is not text\n hint: type it again\n")


def test_it_comes_from_a_file_that_only_its_owner_can_read(box, tmp_path):
    file = tmp_path / "token"
    assert "no such file" in join(box, "--token-file", str(file), code=os.EX_NOINPUT)
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o644)
    assert f"{file}: other users can read this token" in join(box, "--token-file", str(file), code=2)
    file.chmod(0o600)
    assert "cannot be reached" in join(box, "--token-file", str(file), code=os.EX_UNAVAILABLE)
    assert "contradict" in join(box, "--token", "-", "--token-file", str(file), stdin=TOKEN, code=2)


def test_the_next_command_is_no_warning(box, tmp_path):
    address, config = f"127.0.0.1:{free_port()}", tmp_path / "config.yaml"
    config.write_text(f"nodes: {{listen: ['{address}']}}\n")
    made = box.ended("node", "token", "--config", str(config))
    warning = f"warning: nothing listens on {address} yet: restart the agent"
    then = f" next: on the other node, within 15 minutes: kelvin-provision node join https://{address} --token -"
    assert made.stderr == f"{warning}\n{then}\n"
    assert box.ended("node", "token", "--config", str(config), "--quiet").stderr == ""
