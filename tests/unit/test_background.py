"""Background work has a low priority, and nothing else has."""

import os
import threading

import pytest

from kelvin_provision.errors import ImportFailed
from kelvin_provision.staging.background import NICE, run_at_low_priority
from tests.kit.box import Box


def mine():
    return os.getpriority(os.PRIO_PROCESS, 0)


def test_background_work_has_a_low_priority_and_its_caller_keeps_its_own():
    before, seen = mine(), []
    run_at_low_priority(lambda: seen.append((mine(), threading.current_thread() is threading.main_thread())))
    assert (seen, mine()) == ([(max(NICE, before), False)], before)


def test_an_error_of_background_work_reaches_the_caller():
    def fail():
        raise ImportFailed("no")

    with pytest.raises(ImportFailed, match="no"):
        run_at_low_priority(fail)


def test_downloads_and_imports_have_a_low_priority_and_an_apply_has_not(tmp_path):
    box, seen = Box(tmp_path), {}
    chunks, load, plan = box.source._chunks, box.runtime.load, box.cluster.plan

    def watched(name, call):
        def also(*words, **more):
            seen[name] = mine()
            return call(*words, **more)

        return also

    def served(*words):
        seen["transfer"] = mine()
        yield from chunks(*words)

    box.source._chunks, box.runtime.load, box.cluster.plan = served, watched("import", load), watched("apply", plan)
    box.deploy("a")
    box.turn()
    box.command_apply("a")
    box.close()
    low = max(NICE, mine())
    assert seen == {"transfer": low, "import": low, "apply": mine()}
