"""Bodies that work, for readers and for fuzzers."""

from __future__ import annotations

from typing import Any

NAMES_EXAMPLE: dict[str, Any] = {"workload_names": ["motor-speed"]}
DEPLOY_EXAMPLE: dict[str, Any] = {
    "name": "motor-speed",
    "title": "Motor Speed",
    "app_name": "motor-speed",
    "app_version": "2.3.0",
    "cluster_name": "box",
    "staged": True,
    "instantly_apply": False,
    "payload": {
        "spec_version": "5.0.0",
        "type": "docker",
        "name": "motor-speed",
        "title": "Motor Speed",
        "description": "Speed control",
        "version": "2.3.0",
        "defaults": {
            "configuration": {"speed": 3},
            "system": {
                "environment_vars": [{"name": "MODE", "value": "slow"}],
                "ports": [{"name": "http", "type": "service", "service": {"port": 8080, "container_port": 8080}}],
                "volumes": [{"name": "data", "target": "/data", "type": "persistent", "persistent": {}}],
                "resources": {"limits": {"cpu": "0.5", "memory": "128Mi"}},
            },
        },
    },
}
CREATE_EXAMPLE: dict[str, Any] = {
    "name": "motor-speed",
    "app_name": "motor-speed",
    "app_version": "2.3.0",
    "cluster_name": "box",
    "deployment_type": "staged-only",
    "runtime": {"configuration": {"speed": 3}},
    "system": {"environment_vars": [{"name": "MODE", "value": "slow"}]},
}
PATCH_EXAMPLE: dict[str, Any] = {"runtime": {"configuration": {"speed": 4}}}
PASSWORD_EXAMPLE: dict[str, Any] = {"password": "Valve-and-pump-7"}
ADD_USER_EXAMPLE: dict[str, Any] = {"name": "anna", "level": "operate"} | PASSWORD_EXAMPLE
TOKEN_EXAMPLE: dict[str, Any] = {"name": "line-3", "level": "read", "for": "90d"}
SCHEDULE_EXAMPLE: dict[str, Any] = {"workload_names": ["motor-speed"], "at": "2099-11-23T02:00:00Z"}
BULK_EXAMPLE: dict[str, Any] = NAMES_EXAMPLE | PATCH_EXAMPLE
TRUST_EXAMPLE = {"documents": [{"content": "e30=", "signatures": "W10="}]}
UPLOAD_EXAMPLE = {"name": "line-3.kpb", "size": 4096}
