"""Labels and annotations by which our objects are recognized on a cluster, and the file by which a workload asks not to be changed."""

OWNER = "kelvin-provision/workload"
REVISION = "kelvin-provision/revision"
SPEC_HASH = "kelvin-provision/spec-hash"
MANAGER = "kelvin-provision"
"""Value of `app.kubernetes.io/managed-by`, and the field manager of server-side apply."""

STOPPED = "kelvin-provision/stopped"
"""On an object that `stop` scaled down or deleted: its number of replicas, or what was deleted."""

HOME = "kelvin-provision/home"
"""On an object that does not lie in the namespace of its box: that namespace."""

NAMESPACES = "kelvin-provision/namespaces"
"""On the record of a workload: the namespaces, other than the box's, in which it has or had objects."""

MARK = "kelvin-provision/images-"
"""On a node that has a set of images, with a hash of their names behind it: pods are kept to nodes that have theirs by it. The value is
the namespace of the box that has seen to it, so that several that share a cluster leave each other's alone."""

HOLD = "kelvin-provision/hold"
"""On an object of a workload that must not be changed now; the value is the reason."""

HOLD_FOLDER = "/opt/kelvin/hold"
HOLD_FILE = "reason"
"""The same hold, set by the workload itself with a file in its own file system."""

REHEARSAL = "kelvin-provision/rehearsal"
"""On what a rehearsal makes, in place of OWNER: the workload that is rehearsed. It belongs to no workload, and goes with the rehearsal."""

REHEARSAL_HOME = "kelvin-provision/rehearsal-home"
"""On the same objects on Kubernetes: the namespace of the box that made them. Another box that shares the cluster leaves them alone."""
