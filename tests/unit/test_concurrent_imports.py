"""Threads of one process that import the network's libraries at the same moment, as the agent's do when it starts."""

import subprocess
import sys

from tests.kit.real_box import ROOT

BOTH = """
import sys, threading
sys.setswitchinterval(1e-6)
import kelvin_provision.agent.loop
begin = threading.Barrier(2)

def registry():
    begin.wait()
    import kelvin_provision.registry.client

def cluster():
    begin.wait()
    from urllib3 import PoolManager, Timeout

threads = [threading.Thread(target=work) for work in (registry, cluster)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_a_thread_never_sees_half_of_a_library_that_another_thread_is_importing():
    """`from urllib3.response import` does not wait for a thread that is importing urllib3; `from urllib3 import` does."""
    done = subprocess.run([sys.executable, "-c", BOTH], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
