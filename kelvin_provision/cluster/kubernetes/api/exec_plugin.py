"""Login by a command (`exec` in a kubeconfig), with the ExecCredential protocol of client-go.

The command runs when credentials are first needed, when they have expired, and after a 401. They are kept in memory only.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from kelvin_provision import timestamps
from kelvin_provision.cluster.kubernetes.api.kubeconfig import Section
from kelvin_provision.cluster.kubernetes.api.login import Credentials
from kelvin_provision.errors import ClusterDenied

TIMEOUT = 60.0
"""Seconds for a command without a terminal; client-go would wait forever."""
CLUSTER_CONFIG = "client.authentication.k8s.io/exec"


MAX_OUTPUT = 16 << 10
"""Characters of what a command that failed has said."""


class ExecLogin:
    """`base` are the credentials beside `exec` in the kubeconfig; its certificate is used if the command returns none."""

    def __init__(self, user: Section, cluster: Section, base: Credentials) -> None:
        self._exec: Mapping[str, Any] = user.fields["exec"] or {}
        self._folder, self._cluster, self._base = user.folder, cluster, base
        self._lock = threading.Lock()
        self._credentials: Credentials | None = None
        self._expiry: float | None = None
        self._ran_at = 0.0

    def credentials(self) -> Credentials:
        with self._lock:
            if self._credentials is None or (self._expiry is not None and time.time() >= self._expiry):
                self._credentials = self._read(self._run())
            return self._credentials

    def renew(self) -> bool:
        """Run the command again, but only once for threads that received a 401 at the same time."""
        with self._lock:
            if time.monotonic() - self._ran_at > 1.0:
                self._credentials = None
            return True

    def _run(self) -> str:
        command = [self._command(), *(str(argument) for argument in self._exec.get("args") or ())]
        interactive = sys.stdin is not None and sys.stdin.isatty() and self._exec.get("interactiveMode") != "Never"
        environment = {str(variable["name"]): str(variable["value"]) for variable in self._exec.get("env") or ()}
        environment["KUBERNETES_EXEC_INFO"] = json.dumps(self._request(interactive=interactive))
        self._ran_at = time.monotonic()
        try:
            result = subprocess.run(
                command,
                env=os.environ | environment,
                stdin=None if interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=None if interactive else subprocess.PIPE,
                timeout=None if interactive else TIMEOUT,
                check=False,
            )
        except FileNotFoundError as error:
            raise self._denied("command not found", hint=str(self._exec.get("installHint") or "").strip()) from error
        except OSError as error:
            raise self._denied(str(error.strerror or error)) from error
        except subprocess.TimeoutExpired as error:
            raise self._denied(f"no answer within {TIMEOUT:.0f} s") from error
        if result.returncode:
            stderr = (result.stderr or b"").decode(errors="replace").strip()
            raise self._denied(f"exit code {result.returncode}{f': {_last(stderr)}' if stderr else ''}")
        return result.stdout.decode(errors="replace")

    def _command(self) -> str:
        command = str(self._exec.get("command") or "")
        # As in client-go: a bare name is looked up in PATH, a path is relative to the kubeconfig.
        return str(self._folder / command) if os.sep in command else command

    def _request(self, *, interactive: bool) -> dict[str, Any]:
        spec: dict[str, Any] = {"interactive": interactive}
        if self._exec.get("provideClusterInfo"):
            names = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url")
            spec["cluster"] = {name: self._cluster.fields[name] for name in names if name in self._cluster.fields}
            if authority := self._cluster.content("certificate-authority"):
                spec["cluster"]["certificate-authority-data"] = base64.b64encode(authority).decode()
            for extension in self._cluster.fields.get("extensions") or ():
                if extension.get("name") == CLUSTER_CONFIG:
                    spec["cluster"]["config"] = extension.get("extension")
        return {"kind": "ExecCredential", "apiVersion": self._exec.get("apiVersion"), "spec": spec}

    def _read(self, output: str) -> Credentials:
        try:
            answer = json.loads(output)
            status = answer["status"]
            kind, version = answer.get("kind"), answer.get("apiVersion")
            expiry = status.get("expirationTimestamp")
            self._expiry = timestamps.parse(expiry).timestamp() if expiry else None
            certificate, key = str(status.get("clientCertificateData") or ""), str(status.get("clientKeyData") or "")
            token = str(status.get("token") or "")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._denied(f"its output is not an ExecCredential of {self._exec.get('apiVersion')}: {error}") from error
        if kind != "ExecCredential" or version != self._exec.get("apiVersion"):
            raise self._denied(f"its output is {kind} of {version}, not ExecCredential of {self._exec.get('apiVersion')}")
        if not token and not (certificate and key):
            raise self._denied("its output has neither a token nor a certificate with its key")
        return Credentials(
            certificate.encode() if certificate else self._base.certificate,
            key.encode() if certificate else self._base.key,
            f"Bearer {token}" if token else "",
        )

    def _denied(self, reason: str, *, hint: str = "") -> ClusterDenied:
        return ClusterDenied(f"login command {self._exec.get('command') or '(none)'}: {reason}", hint=hint)


def _last(output: str) -> str:
    """Its last lines, whole ones: what is shown of them is decided where secrets are masked."""
    return output if len(output) <= MAX_OUTPUT else output[-MAX_OUTPUT:].partition("\n")[2] or output[-MAX_OUTPUT:]
