"""Login through an `auth-provider` (OIDC and older ones): the `kubernetes` package gets and renews the token.

The package is imported for these kubeconfigs only, and only for the login (ADR 0022).
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from kelvin_provision.cluster.kubernetes.api.kubeconfig import KubeconfigInvalid
from kelvin_provision.cluster.kubernetes.api.login import Credentials


class AuthProviderLogin:
    """Raises KubeconfigInvalid with the package's own message if it cannot log in."""

    def __init__(self, kubeconfig: Path, context: str | None) -> None:
        from kubernetes import client, config

        self._lock = threading.Lock()
        self._configuration: Any = client.Configuration()
        try:
            config.load_kube_config(str(kubeconfig), context, self._configuration, persist_config=False)  # type: ignore[no-untyped-call]  # the package's own
        except Exception as error:  # the package raises its own class for some mistakes and lets errors of YAML, HTTP and base64 through
            raise KubeconfigInvalid(str(error)) from error

    def credentials(self) -> Credentials:
        with self._lock:  # reading the settings renews an expired token
            for setting in self._configuration.auth_settings().values():
                if setting["in"] == "header" and setting["value"]:
                    return Credentials(authorization=str(setting["value"]))
        return Credentials()

    def renew(self) -> bool:
        return False
