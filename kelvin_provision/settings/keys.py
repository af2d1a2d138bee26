"""The one table of settings: key, type, default, description, and who may set it. The documentation is generated from it.

The variable of a key is `KELVIN_PROVISION_` and the key in capitals, with two underscores for a dot:
`KELVIN_PROVISION_CLUSTER__NAMESPACE`. Keys below `registries` have no variable: a variable's name cannot hold a host name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kelvin_provision.errors import UsageRefused
from kelvin_provision.fast_dataclass import dataclass
from kelvin_provision.hints import command
from kelvin_provision.quantity import BYTES_FORM
from kelvin_provision.settings.addresses import HOSTS, LISTEN, MIRRORS, PUBLICATIONS, REGISTRY, REPOSITORY, is_host
from kelvin_provision.settings.model import APPLY_FOLLOWED
from kelvin_provision.settings.types import (
    BOOL,
    BUDGET,
    DURATION,
    HEADROOM,
    LABELS,
    LOCKOUT,
    MINUTES,
    NAMESPACE,
    NODES,
    PATH,
    PATHS,
    RATE,
    REALM,
    TEXT,
    WINDOW,
    InvalidValue,
    Type,
    choice,
    choices,
    integer,
)

SITE = Path("/etc/kelvin-provision/config.yaml")
PREFIX = "KELVIN_PROVISION_"
HOST = "<host>"
REGISTRIES = "registries."


@dataclass(frozen=True)
class Key:
    """One setting. `default` as it would be written in a file, empty for none. `trusted`: accepted only from the site file or --config."""

    name: str
    type: Type
    default: str
    doc: str
    trusted: bool = False

    @property
    def variable(self) -> str | None:
        """The environment variable that sets it, or None."""
        return None if HOST in self.name else PREFIX + self.name.upper().replace(".", "__")


KEYS: tuple[Key, ...] = (
    Key("state_dir", PATH, "", "directory of ledger and images; default: /var/lib/kelvin-provision for root, otherwise in the home"),
    Key("secrets_dir", PATH, "/etc/kelvin-provision/secrets", "directory with one file for each <% secrets.NAME %>; use mode 0600"),
    Key("registry", REGISTRY, "", "registry from which <app_name>:<app_version> is pulled, without a scheme"),
    Key(f"registries.{HOST}.mirrors", MIRRORS, "", "mirrors of this registry, tried first and in this order"),
    Key(f"registries.{HOST}.insecure", BOOL, "false", "allow plain HTTP", trusted=True),
    Key(f"registries.{HOST}.ca_file", PATH, "", "PEM file of the CA that signed the registry's certificate", trusted=True),
    Key(f"registries.{HOST}.auth_file", PATH, "", "credentials file in the format of Docker's config.json"),
    Key("cluster.type", choice("auto", "kubernetes", "docker"), "auto", "what runs the workloads"),
    Key("cluster.kubeconfig", PATH, "", "kubeconfig file; without it, KUBECONFIG is used"),
    Key("cluster.context", TEXT, "", "context of the kubeconfig, if not its current context"),
    Key("cluster.namespace", NAMESPACE, "app", "namespace for objects that do not name one; created if missing"),
    Key("cluster.name", TEXT, "", "name of this cluster on the platform"),
    Key("runtime.type", choice("auto", "containerd", "docker"), "auto", "container runtime into which images are imported"),
    Key("runtime.address", TEXT, "", "socket of containerd or URL of Docker; without it, DOCKER_HOST is used"),
    Key("runtime.namespace", TEXT, "k8s.io", "containerd namespace"),
    Key(
        "runtime.run_32_bit",
        BOOL,
        "false",
        "also accept 32-bit images (linux/386 on amd64, linux/arm on arm64) if there is no other; the node's kernel must support them",
    ),
    Key("workload_deploy.staged", BOOL, "false", "default of a request: download images before anything is applied"),
    Key("workload_deploy.instantly_apply", BOOL, "true", "default of a request: apply as soon as possible, without `workloads apply`"),
    Key(
        "download.parallel",
        integer(1, 16, words={"auto": None}),
        "auto",
        "number of blobs downloaded at the same time; auto starts with 1 and goes up to 4 while that increases the rate",
    ),
    Key("download.rate", RATE, "", f"limit of all downloads together in bytes per second: {BYTES_FORM}"),
    Key(
        "download.window",
        WINDOW,
        "",
        "times of day (local) at which images are downloaded, such as 22:00-05:00,12:30-13:00; default: always",
    ),
    Key("download.budget", BUDGET, "", f"limit of downloaded bytes per day (local time), repeats included: {BYTES_FORM}"),
    Key("download.stall_timeout", DURATION, "30s", "time without a byte after which a connection is closed and the download resumed"),
    Key("download.keep_free", HEADROOM, "5%", "space on each filesystem that downloads and imports leave free"),
    Key(
        "download.deltas",
        choice("auto", "off", "only"),
        "auto",
        "use the delta of a layer where there is one, never, or always: a layer over 128 KiB without one is not downloaded then",
    ),
    Key("apply.timeout", DURATION, "5m", "time in which new versions must become ready"),
    Key("apply.rollback_timeout", DURATION, "5m", "time in which the previous versions must become ready again after a failure"),
    Key("apply.settle", DURATION, "5s", "time for which a workload must stay ready to count as running"),
    Key("apply.window", WINDOW, "", "times of day (local) at which anything is applied, such as 02:00-04:00; default: always"),
    Key("apply.grace", DURATION, "15m", "how late an apply that was scheduled with `apply --at` may still start"),
    Key(
        "staging.rehearse",
        BOOL,
        "false",
        "rehearse every version at the end of its staging (`workloads rehearse`)",
    ),
    Key(
        "staging.nodes",
        NODES,
        "all",
        "of the nodes that may run a version, which must have its images before it is ready: all, those that are there, or so many",
    ),
    Key("hooks", PATH, "/etc/kelvin-provision/hooks", "directory of the hooks pre-apply, post-apply and on-failure", trusted=True),
    Key("hooks_timeout", DURATION, "2m", "time after which a hook is killed", trusted=True),
    Key(
        "api.listen",
        LISTEN,
        "127.0.0.1:30000",
        "addresses on which the API listens: with TLS, except at 127.0.0.1 and ::1",
        trusted=True,
    ),
    Key("api.insecure", BOOL, "false", "HTTP without TLS on all addresses: passwords cross the network readable", trusted=True),
    Key("api.tls.cert", PATH, "", "PEM file with the API's certificate and its chain; without it, this box makes one", trusted=True),
    Key("api.tls.key", PATH, "", "PEM file with its key, if api.tls.cert does not contain it", trusted=True),
    Key("api.names", HOSTS, "", "further host names and addresses by which clients reach the API", trusted=True),
    Key("api.realm", REALM, "kelvin", "realm of the token routes", trusted=True),
    Key("api.token_lifetime", DURATION, "12h", "time for which an access token is valid", trusted=True),
    Key("api.refresh_lifetime", DURATION, "24h", "time for which a refresh token is valid", trusted=True),
    Key("api.lockout", LOCKOUT, "none", "failed logins after which a user is locked out, and for how long, such as 5/15m", trusted=True),
    Key("api.ui", BOOL, "true", "pages for people at /ui/ of the API", trusted=True),
    Key("api.session", MINUTES, "12h", "time after which a login at the pages ends", trusted=True),
    Key("api.session_idle", MINUTES, "60m", "time without a person after which a login at the pages ends", trusted=True),
    Key("api.connections", integer(8, 1024), "64", "connections to the API at the same time", trusted=True),
    Key("api.streams", integer(1, 256), "16", "streams of events at the same time; each is one of the connections", trusted=True),
    Key(
        "media.folders",
        PATHS,
        "/media,/mnt,/run/media",
        "folders below which removable media are mounted: there the API looks for bundles, and nowhere else",
        trusted=True,
    ),
    Key(
        "media.auto",
        choice("off", "inspect", "import"),
        "off",
        "what is done with the bundles of a medium that arrives: nothing, show them, or import what trust.keys have signed (media install)",
        trusted=True,
    ),
    Key("trust.keys", PATHS, "", "PEM files of the public keys whose signatures this box accepts", trusted=True),
    Key(
        "trust.require_signature",
        choices("bundle", "request", "image"),
        "",
        "what must be signed with one of trust.keys; default: bundle as soon as there are keys",
        trusted=True,
    ),
    Key(
        "follow.publications",
        PUBLICATIONS,
        "",
        "publications that this box follows: what they have for it is staged, once one of trust.keys has signed it (follow list)",
        trusted=True,
    ),
    Key("follow.interval", MINUTES, "5m", "time between two looks at a publication, give or take a half", trusted=True),
    Key(
        "follow.apply",
        choice(*APPLY_FOLLOWED),
        "never",
        "when what was followed is applied: by hand, in apply.window, or as soon as it is ready",
        trusted=True,
    ),
    Key("follow.prune", BOOL, "false", "undeploy workloads that a publication withdraws; otherwise that is proposed", trusted=True),
    Key("follow.report", REPOSITORY, "", "repository to which this box pushes a signed report of its workloads", trusted=True),
    Key("labels", LABELS, "", "labels of this box, by which publications choose, such as line=3,site=hamburg", trusted=True),
    Key("nodes.listen", LISTEN, "", "addresses on which this node listens for the other nodes, with TLS; default: none", trusted=True),
    Key("nodes.rate", RATE, "", f"limit of what one node sends to the others in bytes per second: {BYTES_FORM}"),
    Key("nodes.source", REGISTRY, "", "registry mirror of the site that members ask before the leader and each other", trusted=True),
    Key("history.keep", integer(100), "10000", "number of lines of the history in the ledger; older ones are sealed in files beside it"),
    Key("keep_revisions", integer(0), "2", "number of previous revisions that are kept with their images for rollback"),
)
BY_NAME = {key.name: key for key in KEYS}


def table() -> tuple[tuple[str, str, str, str], ...]:
    """Key, type, default and description, for the documentation."""
    trusted = "; only in the site file or with --config"
    return tuple((key.name, key.type.name, key.default, key.doc + (trusted if key.trusted else "")) for key in KEYS)


def find(name: str) -> tuple[Key, tuple[str, ...]]:
    """The setting of this name, and its path in a file. Raises UsageRefused, which suggests the closest name."""
    if name.startswith(REGISTRIES):
        host, _, leaf = name.removeprefix(REGISTRIES).rpartition(".")
        key = BY_NAME.get(f"{REGISTRIES}{HOST}.{leaf}")
        if key is not None and is_host(host):
            return key, ("registries", host, leaf)
    elif name in BY_NAME:
        return BY_NAME[name], tuple(name.split("."))
    raise UsageRefused(f"unknown setting {name}", hint=command("config set", closest(name), "VALUE"))


def path_of(name: str) -> tuple[str, ...]:
    """The path in a file of a name that is no setting: the host of a registry is one step, whatever dots it has."""
    host, dot, leaf = name.removeprefix(REGISTRIES).rpartition(".") if name.startswith(REGISTRIES) else ("", "", "")
    return ("registries", host, leaf) if dot and is_host(host) else tuple(name.split("."))


def closest(name: str) -> str:
    """The setting whose name is most similar, with the host that was given; KEY when none is."""
    host = name.removeprefix(REGISTRIES).rpartition(".")[0] if name.startswith(REGISTRIES) else ""
    names = [key.name.replace(HOST, host) if host and is_host(host) else key.name for key in KEYS]
    import difflib  # only for a mistake

    return next(iter(difflib.get_close_matches(name, names, 1)), "KEY")


def value_from_text(name: str, key: Key, text: str) -> Any:
    """The text as a value for a file. Raises UsageRefused with what is accepted."""
    value = key.type.from_text(text)
    try:
        key.type.read(value)
    except InvalidValue as error:
        raise UsageRefused(f"{name}: expected {error}, got {text}", hint=command("config show", "-o", "wide")) from None
    return value


def refuse_untrusted(name: str, key: Key, *, trusted: bool) -> None:
    """Settings with which root's apply would run or trust something are not taken from other users' files."""
    if key.trusted and not trusted:
        raise UsageRefused(
            f"{name} is only accepted in the site file ({SITE}) or with --config",
            hint=command("config set", name, "VALUE", sudo=True),
        )
