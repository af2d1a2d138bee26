"""A node with fakes for the outside world, in this process; its ledger and store are real."""

from contextlib import contextmanager

from kelvin_provision.agent import turn
from kelvin_provision.applying import apply, deploy
from kelvin_provision.errors import ProvisionError
from kelvin_provision.events import Note
from kelvin_provision.node import Node
from kelvin_provision.queries import documents
from kelvin_provision.settings.model import ApplySettings, Settings
from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec
from tests.kit.fakes.cluster import FakeCluster
from tests.kit.fakes.runtime import FakeRuntime
from tests.kit.fakes.source import FakeSource
from tests.kit.images import random_image


class Box(Node):
    """A node with the outside world in memory; its ledger and store are real."""

    def __init__(self, path):
        self.said = []
        super().__init__(Settings(state_dir=path, apply=ApplySettings(settle=0.0)), progress=self.said.append)
        self.__dict__.update(source=FakeSource(), runtime=FakeRuntime(), cluster=FakeCluster())

    def deploy(self, *names, version="1.0.0", method=Method.STAGED):
        specs = []
        for name in names:
            image = f"r.io/{name}:{version}"
            self.source.images.setdefault(image, random_image([3000]))
            specs.append(Spec(name=name, title=name, app_name=name, app_version=version, cluster_name="c", method=method, image=image))
        return deploy.run(self.ledger, specs, who="anna")

    @contextmanager
    def beside(self, progress):
        """With a ledger of its own; the outside world is the same."""
        other = Node(self.settings, progress=progress)
        other.__dict__.update(source=self.source, runtime=self.runtime, cluster=self.cluster)
        yield other
        other.close()

    def turn(self):
        return turn.take(self, lambda: False)

    def command_apply(self, *names, everything=False):
        found = apply.choose(self.ledger, names, everything=everything)
        apply.refuse_unready(found, self.store)
        with self.changing("workloads apply"):
            return self.apply(found, who="anna", stop=lambda: False)

    def states(self):
        page = documents.page(self.ledger.workloads())["data"]
        return {item["name"]: (item["status"]["state"], item["staged"] and item["staged"]["status"]["state"]) for item in page}

    def warnings(self, name):
        return documents.listed(self.ledger.workload(name))["status"]["warnings"]


def tend(box):
    """One round of the agent beside its work: put back, then look. Trouble is only said."""
    try:
        turn.put_back(box)
    except ProvisionError as error:
        box.progress(Note(str(error)))
    turn.look(box)
