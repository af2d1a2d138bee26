"""What a handler works with, and one call of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from kelvin_provision.api.authentication.authenticator import Authenticator, Principal
from kelvin_provision.api.authentication.sessions import Sessions
from kelvin_provision.api.network.hosts import Hosts
from kelvin_provision.api.work.box import Box
from kelvin_provision.api.work.deploying import Deploy
from kelvin_provision.api.work.feed import Feed
from kelvin_provision.api.work.imports import Imports
from kelvin_provision.api.work.once import Once
from kelvin_provision.api.work.packages import Packages
from kelvin_provision.api.work.repeats import Repeats, digest
from kelvin_provision.api.work.uploading import Uploading
from kelvin_provision.settings.model import ApiSettings
from kelvin_provision.tls.listen import is_loopback


@dataclass(frozen=True)
class Services:
    settings: ApiSettings
    box: Box
    authenticator: Authenticator
    deploy: Deploy
    hosts: Hosts
    feed: Feed
    sessions: Sessions
    uploading: Uploading
    packages: Packages
    repeats: Repeats = field(default_factory=Repeats)
    imports: Imports = field(default_factory=Imports)
    once: Once = field(default_factory=Once)


@dataclass(frozen=True)
class Call:
    """`host` is the Host header, which was checked. `principal` is that of a route with a level."""

    request: Request
    services: Services
    host: str
    address: str
    caller: Principal | None = None

    @property
    def box(self) -> Box:
        return self.services.box

    @property
    def base(self) -> str:
        """This API as the client reaches it: https stays https."""
        return f"{self.request.scope['scheme']}://{self.host}"

    @property
    def issuer(self) -> str:
        """The realm of this API as the client reaches it, which its tokens name."""
        return f"{self.base}/auth/realms/{self.services.settings.realm}"

    @property
    def principal(self) -> Principal:
        assert self.caller is not None, self.request.scope["path"]  # noqa: S101  (a route without a level does not ask)
        return self.caller

    def require_unless_local(self) -> None:
        """Raises Refusal for another machine without a valid token."""
        if not is_loopback(self.address):
            self.services.authenticator.principal(self.request.headers.get("authorization"), self.address)

    def digest(self, body: bytes, more: str = "") -> str:
        """Equal for the same request of the same user. `more` is what counts of the query."""
        scope = self.request.scope
        return digest(self.principal.name, scope["method"], scope["path"] + more, body)

    @property
    def name(self) -> str:
        """The workload in the path."""
        return self.in_path("workload_name")

    def in_path(self, parameter: str) -> str:
        """What stands in the path for this parameter of the route."""
        return str(self.request.path_params[parameter])

    async def require_workload(self) -> None:
        """Raises WorkloadUnknown unless there is a workload of the name in the path."""
        await self.box.ask(lambda ctx: ctx.ledger.workload(self.name))
