"""The platform's documents of workloads, which are printed with their payloads."""

from kelvin_provision.ledger.model.workloads import Revision
from kelvin_provision.queries.items import masked_payload
from kelvin_provision.spec.enums import Download, Method
from kelvin_provision.spec.workload import Spec


def test_a_payload_is_shown_without_its_secrets():
    def payload(volume, password, pin, key):
        return {
            "name": "pump",
            "system": {
                "environment_vars": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "PIN", "value": pin}],
                "volumes": [
                    {"name": "v", "type": "secret", "target": "/v", "secret": {"value": volume, "mode": "0400"}},
                    {"name": "r", "type": "secret", "target": "/r", "secret": {"value": "<% secrets.r %>"}},
                ],
            },
            "app": {"mqtt": {"password": password, "url": "tcp://h:1883"}, "args": ["--api-key", key]},
        }

    spec = Spec("pump", "", "pump", "1.0.0", "", Method.STANDARD, "r.io/pump:1.0.0", payload=payload("literal", "hunter2", "4711", "k"))
    revision = Revision("pump", 1, "batch", "2026-01-02T03:04:05Z", spec, Download.READY)
    assert masked_payload(revision) == payload("***", "***", "***", "***")
