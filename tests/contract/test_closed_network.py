"""A closed network on each engine: there is no default route to a machine, though the engines of the suite make no rules for iptables."""

import contextlib

import pytest

from kelvin_provision.docker_engine.connection import CLUSTER_ERRORS
from kelvin_provision.docker_engine.engine import Engine
from tests.kit.docker_bench import bench, docker_bench

__all__ = ["bench", "docker_bench"]
pytestmark = pytest.mark.docker
CLOSED = "test-closed"


def test_there_is_no_way_on_from_a_closed_network(bench):
    engine, image, made = Engine(lambda: bench.client, CLUSTER_ERRORS), bench.image_id("one"), []
    engine.create_closed_network(CLOSED, {})
    try:
        host = bench.client.create_host_config(network_mode=CLOSED)
        made.append(bench.client.create_container(image, ["/bin/sh", "-c", "cat /proc/net/route"], host_config=host)["Id"])
        bench.client.start(made[0])
        bench.client.wait(made[0])
        routes = [line.split() for line in bench.client.logs(made[0]).decode().splitlines()[1:]]
        ways = {".".join(str(byte) for byte in bytes.fromhex(route[2])[::-1]) for route in routes if int(route[1], 16) == 0}
        (pool,) = bench.client.inspect_network(CLOSED)["IPAM"]["Config"]
        assert ways <= set((pool.get("AuxiliaryAddresses") or {}).values()), (ways, pool)
    finally:
        for container in made:
            bench.client.remove_container(container, force=True)
        with contextlib.suppress(Exception):
            engine.remove_network(CLOSED)
