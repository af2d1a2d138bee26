"""The nodes of a cluster, and which of them may run what, as plain values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kelvin_provision.refs import Platform


class ClusterNode(NamedTuple):
    """One node. `ready`: its kubelet answers; `schedulable`: it is not cordoned. `taints` are `key=value:effect`. `marks` are those
    of this box by which pods find it; a label whose value another program has changed is none.

    `host` is the value by which a pod is kept to this node, which need not be its name; empty where there is none.
    """

    name: str
    platform: Platform
    labels: Mapping[str, str]
    host: str = ""
    ready: bool = True
    schedulable: bool = True
    taints: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


class Place(NamedTuple):
    """Where the pods of one object may run: its `images`, as its containers name them, are needed on each of these `nodes`.

    `mark` is the label with which its pods are kept to nodes that have all of them; empty where they are not kept to any.
    """

    workload: str
    object: str
    images: tuple[str, ...]
    nodes: tuple[str, ...]
    mark: str = ""
