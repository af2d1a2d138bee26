"""An API server in memory for what lists and watches."""

import threading

LATE = ("ADDED", {"metadata": {"name": "late"}})


class ScriptedApi:
    """Lists what it was given; each watch ends as scripted, the last one lasts."""

    def __init__(self, endings=(), items=()):
        self.endings, self.given, self.lists = list(endings), list(items), 0

    def namespaced(self, version, kind):
        return True

    def list_for_watch(self, version, kind, namespace, selector, fields, *, metadata):
        self.lists += 1
        return [item for item in self.given if item["kind"] == kind], "1"

    def watch(self, version, kind, namespace, resource_version, *, selector, fields, metadata):
        ending = self.endings.pop(0) if self.endings else None
        return Lasting() if ending is None else Ending(ending)


class Lasting:
    def __init__(self):
        self.closed = threading.Event()

    def __iter__(self):
        self.closed.wait(10)
        return iter(())

    def close(self):
        self.closed.set()


class Ending(Lasting):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def __iter__(self):
        yield "BOOKMARK", {}
        yield LATE
        raise self.error
