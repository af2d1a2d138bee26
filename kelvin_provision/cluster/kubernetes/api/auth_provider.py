"""Logins of kubeconfigs with an `auth-provider` (OIDC and older ones): the `kubernetes` package gets and renews their tokens.

It is imported for these alone (ADR 0022), and for nothing but the login.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from kelvin_provision.cluster.kubernetes.api.kubeconfig import KubeconfigInvalid
from kelvin_provision.cluster.kubernetes.api.login import Credentials


class AuthProviderLogin:
    """Raises KubeconfigInvalid, with the package's reason, for what it cannot log in with."""

    def __init__(self, kubeconfig: Path, context: str | None) -> None:
        from kubernetes import client, config

        self._lock = threading.Lock()
        self._configuration: Any = client.Configuration()
        try:
            config.load_kube_config(str(kubeconfig), context, self._configuration, persist_config=False)  # type: ignore[no-untyped-call]  # the package's own
        except Exception as error:  # its own class for some mistakes, and whatever YAML, HTTP and base64 raise for others
            raise KubeconfigInvalid(str(error)) from error

    def credentials(self) -> Credentials:
        with self._lock:  # a token that has expired is renewed here
            for setting in self._configuration.auth_settings().values():
                if setting["in"] == "header" and setting["value"]:
                    return Credentials(authorization=str(setting["value"]))
        return Credentials()

    def renew(self) -> bool:
        return False
