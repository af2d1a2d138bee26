"""docs/api.md: the REST API of a box, with its table of routes and of refusals.

`python -m tests.api_page` writes it. Tests compare it, and run its examples.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from kelvin_provision.access.levels import MEANINGS
from kelvin_provision.api.messages.refusals import KINDS
from kelvin_provision.api.routes import monitoring
from kelvin_provision.api.routes.table import ROWS
from kelvin_provision.cli.docs.pages import MADE
from kelvin_provision.queries.metrics import BoxMetrics, LastApply, LedgerMetrics
from kelvin_provision.spec.enums import State
from tests.api_commands import NONE, ROUTES

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
HEAD = """\
The platform's API for workloads, on the box itself and without internet: the platform's own clients and the requests of its documentation work here. It is an
extra: `pip install 'kelvin-provision[api]'`.

```
kelvin-provision api user add admin --level admin      # asks for a password; --password-stdin for scripts
kelvin-provision api serve                             # http://127.0.0.1:30000; --listen 127.0.0.1:PORT for another port
```

On a box that runs unattended, install it as a service, and the agent too ([decision](adr/0046-the-api-as-a-service.md)):

```
sudo kelvin-provision agent install
sudo kelvin-provision api install                      # --listen 0.0.0.0:443 adds an address to api.listen, for other machines
kelvin-provision api status                            # whether it runs, where, since when; exit code 1 if it does not
sudo kelvin-provision api uninstall                    # users, workloads and the agent stay
```

systemd keeps the addresses open: who connects while the service restarts is answered after it. The service may write its state directory only and reaches neither
the cluster nor the container runtime, nor may it start processes; where no agent is alive, systemd starts the agent's service for it. Its log is
`journalctl -u kelvin-provision-api`. For an address that other machines can reach, `api install` prints the command with which the firewall of the box (firewalld, ufw, iptables or
nftables) lets them in, and the fingerprint of the certificate; it changes no firewall. The address is on the screen of the box above the login (`/etc/issue.d`), until `api uninstall`.

By default it answers on this box only. For other machines it needs an address that they can reach, which speaks TLS.

## TLS

```
kelvin-provision api serve --listen 127.0.0.1:30000 --listen 0.0.0.0:443     # or the setting api.listen
kelvin-provision api cert show                                               # fingerprints, names, days left, a QR code of the address
kelvin-provision api cert export-ca > ca.pem                                 # what clients have to trust; also at /ca.pem
```

At the first start the box makes an authority (10 years) and a certificate (397 days) for its addresses, its host name, the same with `.local`, and `api.names`. The certificate is
made again, without a restart, when 60 days are left or the box has another address or name; the authority only by `api cert renew --authority`. Fingerprints are printed at the start: the one in
the warning of a browser must be the first of them. `api.tls.cert` (and `api.tls.key`) name files of your own; they are read again when they change. Addresses of this box itself
(127.0.0.1, ::1) speak HTTP without TLS; others only with `api.insecure`, which is for a network without other users.

Clients of the platform and its command line `kelvin` take the authority with `SSL_CERT_FILE=ca.pem REQUESTS_CA_BUNDLE=ca.pem`; from 1.0 on they speak TLS at port 443 and
nothing else. From another machine without TLS, use a tunnel: `ssh -L 30000:127.0.0.1:30000 BOX`.
`doctor` says when the certificate no longer fits, when something is readable on the network, and when a NodePort of Kubernetes takes the API's port: 30000 is the first of those.

## The command line `kelvin`

`kelvin` 9.8.0, unmodified, logs in and lists, searches, shows, deploys, updates, stops, starts and undeploys workloads, and reads their logs:

```
export SSL_CERT_FILE=ca.pem REQUESTS_CA_BUNDLE=ca.pem
kelvin auth login https://BOX -u admin
kelvin workload deploy -f app.yaml -r runtime.yaml -c edge -n docs-demo-motor-speed
kelvin workload update docs-demo-motor-speed -f app.yaml -r runtime.yaml
```

What it does itself, and a box cannot change:

* Of an `app.yaml` in the new format (`type` at the top) it sends name and version only. The image is `<registry>/<name>:<version>` with the setting `registry` of the box; `defaults` of the file are
  not sent. What the container needs is in the runtime file: `system`, `runtime: {configuration: ...}`, `deployment_type`.
* `deploy` needs a runtime file and, there or as options, a name and a cluster. `update` takes the version from `app.yaml` and the rest from the runtime file.
* An `app.yaml` in the old format (`app: {type: ...}`) is checked against a schema from the internet before the box is asked. Without internet that ends with exit code 65: use the new format, or `curl`.
* It has no words for staged versions: `deployment_type: staged+instant-apply` is applied as soon as it is here; `staged-only` by the [page](ui.md), at the box, or with `POST /api/v4/workloads/apply`.
* "Started", "stopped" and "undeployed" mean that the order is accepted; `kelvin workload show` says how far it is.
* `kelvin apps`, `appregistry`, `secret` and `app upload` are about the platform: a box answers 404.

## Examples

```sh
URL=http://127.0.0.1:30000
TOKEN=$(curl -s "$URL/auth/realms/kelvin/protocol/openid-connect/token" \\
  -d grant_type=password -d client_id=kelvin-client -d username=admin --data-urlencode password="$PASSWORD" |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
```

Stage a workload:

```sh
curl -sf -X "POST" \\
  "$URL/api/v4/workloads/deploy" \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Accept: application/json" \\
  -H "Content-Type: application/json" \\
  -d '{
    "app_name": "motor-speed",
    "app_version": "2.3.0",
    "cluster_name": "docs-demo-cluster-k3s",
    "instantly_apply": false,
    "name": "docs-demo-motor-speed",
    "payload": {
      "spec_version": "5.0.0", "type": "docker", "name": "motor-speed", "title": "Motor Speed", "description": "Speed control",
      "version": "2.3.0"
    },
    "staged": true,
    "source": "krn:user:demo@kelvin.ai",
    "title": "Docs Demo Motor Speed"
  }'
```

Follow it, until `staged.ready` is true:

```sh
curl -sf -X "GET" \\
  "$URL/api/v4/workloads/list?workload_name=docs-demo-motor-speed&staged=true&pagination_type=cursor&page_size=20&direction=asc&sort_by=name" \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Accept: application/json-cursor"
```

Apply it. The answer is empty:

```sh
curl -sf -X "POST" \\
  "$URL/api/v4/workloads/apply" \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Accept: */*" \\
  -H "Content-Type: application/json" \\
  -d '{"workload_names": ["docs-demo-motor-speed"]}'
```

With the platform's Python client, here 0.0.13 (0.4.1: `client.deprecated_workload.apply_legacy_workload`; 1.x: `Client(url="https://BOX", ...)`, always on port 443):

```python
from kelvin.api.client import Client

client = Client(config={"url": "http://127.0.0.1:30000", "username": "admin"})
client.login(password="...")
client.workload.apply_workload(workload_names=["docs-demo-motor-speed"])
```

## What an answer means

* Apply, start, stop and undeploy are **orders**: the answer comes when the order is stored, the state is `pending_apply`, `pending_start` or `pending_stop`, and the
  agent carries it out. What it would refuse at once is refused before anything is stored: 406 for what is not staged, not ready, held, or outside of the apply
  window. If no agent runs, one is started; if none can be, the answer is 503.
* What an order means is settled when it is accepted. A version that is deployed after an undeploy stays staged; an order whose workload has changed since in another way, such as a stop when
  a later version came up at the terminal, is cancelled, and `GET /edge/v1/orders` says so.
* The same request of the same user within a minute is a **repetition**: it gets the same answer and nothing is done twice, unless another change to one of its
  workloads was accepted in between. That a deploy is applied by its own deployment method is none. Clients that time out may send a request again.
* The newer routes for several workloads (`apps/workloads/apply|start|stop|delete|enable`) do what is possible: with 207, `errors` has those that were left out, each with its `workload_name` in the `payload`.
  The older `apply` and `bulk/update` are all or none.
* A **list** has the platform's filters (repeated for alternatives), `sort_by`, `direction`, and three ways to page: `cursor` (the default; a cursor carries
  its filters), `limits`, and `stream` (one JSON object per line). Boolean values may be written in any case. `ETag` and `If-None-Match` spare a list that has not changed.
* What takes minutes or has a large answer is a **job**: the agent starts a process for it, and one of a kind is done at a time (else 503). `images/verify` answers with a
  line of JSON for each second of progress, and a last one with `result` or `errors`; `support-bundle` with the file. Who hangs up ends the job. A body that is not whole is cut off.
* An **error** is `{"errors": [{"name", "title", "description", "solution", "payload"}]}`. `name` is stable: `kelvin-provision explain NAME` explains those that are
  not below. `payload.evidence` has the findings of a refused request.

Every change is in `workloads history` with the user and the address, such as `admin@127.0.0.1 via api`. A change of users or tokens whose line the ledger does not
take does not happen. Logins, logouts and wrong passwords are there, too: of a program that logs in before each request, a line for each address every five minutes;
of wrong passwords, at most a line a minute for each address, with their number.

## Users and tokens

There is no default user, and no page on which the first visitor makes one: users are made at the box, with a level. `api user passwd` and `api user remove` end all
of the user's tokens at once. A token is valid for 12 hours (`api.token_lifetime`), also if the clock of the box is set back; a refresh token for 24. After three wrong
passwords for a user from one address, each next try waits 1, 2, 4 .. 30 seconds. No user is ever locked out, unless the rules of a site ask for it: with
`api.lockout: 5/15m`, five failed logins in a row lock a user for a quarter of an hour, or until `api user unlock`. Programs with tokens go on.

Tokens of programs that a removed user made over the API go on; `api user remove` and the answer of `DELETE /edge/v1/users/{user}` name them, with the commands that revoke them.

A logout ends a session for good, also across restarts. Of 10,000 that were ended and whose tokens would still be valid, the user with the most is logged out everywhere, with a line
in the history: a program that logs in and out again and again ends the sessions of its own user only.

Programs get **tokens of their own**, which are valid for months, and revoked one by one:

```
kelvin-provision api token create line-3 --level operate --for 90d     # standard output has the token, this once
kelvin-provision api token list                                        # level, expiry, last use (to the hour)
kelvin-provision api token revoke line-3                               # its next request is refused
```

A program sends it as `Authorization: Bearer TOKEN`; the platform's Python client 0.x takes it as `Client.from_token(TOKEN)`. The history has its requests as
`token:line-3@192.0.2.7 via api`. An administrator does the same, and manages users, with `/edge/v1/tokens` and `/edge/v1/users`.
"""
EVENTS = """
## Events

`GET /edge/v1/events` is a stream of [Server-Sent Events](https://html.spec.whatwg.org/multipage/server-sent-events.html), from the same source as `workloads list --watch`:

| event | data | when |
|---|---|---|
| `reset` | `{}` | the whole list follows: forget what you have |
| `workload` | `{"time", "name", "before", "after", "item"}` as `list --watch --json`; `after` and `item` are null for one that is gone | its state or anything else in `item` has changed |
| `complete` | `{}` | the list is whole |
| `progress` | `{"name", "percent"}` | a download goes on |

The list comes first. A client whose connection was cut sends the last `id` as `Last-Event-ID` and gets what has happened since; if that is too long ago, the list again. The
same change may come twice, and none is left out. `workload_name` (repeated for several) selects. After 15 seconds of silence there is a comment. There are 16
streams (`api.streams`), of one user at most half of them, and each ends with the login of who listens.
"""
UPLOADS = """
## Uploads

A bundle comes to the box in chunks of at most 8 MiB, in order. The words are those of the protocol tus and of the IETF's draft for resumable uploads
([ADR 0050](adr/0050-uploads.md)):

```
curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:30000/edge/v1/uploads --json '{"name": "line-3.kpb", "size": 4096}'     # its "id"
curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:30000/edge/v1/uploads/$ID -T chunk -H "Upload-Offset: 0"                # 204: durable
curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:30000/edge/v1/uploads/$ID -I                                            # Upload-Offset
```

Bytes that were answered with 204 survive a lost connection, the end of the API and a power cut; what came of a body that was cut off is kept, too. After any error, ask for `Upload-Offset` and
continue there; an offset that is not the end is 409 and says the right one. One request at a time writes to an upload. `POST /edge/v1/uploads` with the same `name`, `size`, `sha256` and `mark` as an
upload of the same user goes on with that one (200). The parts of a bundle are sent one after another as one file. A box keeps 16 uploads; one that is idle for a week is removed. 507 comes before the
first byte: an upload needs its size on the disk, until everything in it is staged; then it is removed.

A complete upload, `/edge/v1/uploads/{upload}`, and a bundle on a stick in the box, `/edge/v1/media/{digest}`, are inspected, verified and imported in the same way. `GET /edge/v1/media` lists the latter: the agent looks in the
folders of the setting `media.folders`, and no client names a path. The digest in the path holds for every read: a medium that has another bundle by then is refused (`expected-other`).

* `inspect` says who signed it, what is in it, and in `import` what an import would do; in `obstacle`, why there can be none. Nothing is stored.
* `verify` reads every byte, and answers with a line of JSON for each second of progress, and a last one with `result` or `errors`.
* `import` stages what its requests ask for, and with `images_only` copies its images without them. `expect` is the digest that the bundle must have. A bundle that is older than the newest of its signer (`older` in
  the plan) is refused with `bundle-older`, unless `allow_older` is set. It answers within two seconds: 200 with what was accepted, or 202 while it is under way;
  it goes on without the client, and the same request again is answered with its end.

**Trust**: `GET /edge/v1/trust` says whose signatures count, what is revoked, and which trust documents were accepted. `POST /edge/v1/trust` (level `admin`) accepts documents, all or none: `{"documents": [{"content": BASE64, "signatures":
BASE64}]}`, the exact bytes of FILE and FILE.sig, at most 1 MiB together. Signatures decide; what was accepted before changes nothing. They also come in any bundle ([signatures](signatures.md#what-is-revoked)).
"""
MONITORING = """
## Monitoring

`GET /metrics` is for Prometheus, an agent of it on the box, or anything that reads its text form. From this box it needs no login; from another machine, a token
of level `read`. No name of a workload is in it, and the cluster is never asked. `last_apply_*` is there once there was an apply, `download_budget_*` where `download.budget` is set.

```yaml
scrape_configs:
  - job_name: kelvin-provision
    static_configs: [{targets: ["127.0.0.1:30000"]}]
```

"""
LIMITS = """
## Limits

Where the site wants signed requests ([signatures](signatures.md)), `POST /api/v4/workloads/deploy` needs them in the header `X-Kelvin-Signature`, and no other route makes a revision.

A request's head has 16 KiB and 10 seconds, its body 1 MiB and 30 seconds, its query 8 KiB, JSON 64 levels with each key once, a call 100 names. There are 64 connections
(`api.connections`), 16 of one client on another machine (an address, or the /64 of an IPv6 address); one that waits for its next request gives way to a new one.
As many requests are under way, also of clients that have hung up; a further one is answered 503. `Host` must be an address, `localhost`, a name of this box, or one
of `api.names`. Cookies count for the [page](ui.md) only, and no other origin is allowed to read an answer. Every route may answer 400, 413, 414, 421, 429, 500, 503 and 507.
"""


def page() -> str:
    made = MADE.replace("kelvin_provision.cli.docs.pages", "tests.api_page")
    return "".join(
        (f"# The REST API\n\n{made}", HEAD, *_levels(), *_routes(), *_commands(), EVENTS, UPLOADS, *_metrics(), LIMITS, *_refusals())
    )


def _levels() -> Iterator[str]:
    yield "\n| level | may |\n|---|---|\n"
    for level, meaning in MEANINGS.items():
        yield f"| `{level}` | {meaning} |\n"


def _routes() -> Iterator[str]:
    yield "\n## Routes\n\n`GET /openapi.json` describes parameters, bodies and answers of each, for programs (OpenAPI 3.1).\n\n| route | level | answers | what it does |\n|---|---|---|---|\n"
    for row in ROWS:
        level = f"{f'`{row.level}`' if row.level else '-'}{f' ({row.may})' if row.may else ''}"
        codes = ", ".join(map(str, (*row.ok, *row.errors, *((401, 403) if row.level else ()))))
        yield f"| `{row.method} {row.path}` | {level} | {codes} | {row.summary} |\n"


def _metrics() -> Iterator[str]:
    yield MONITORING
    states = dict.fromkeys(State, 0)
    shown = [*monitoring.of_ledger(LedgerMetrics(states, states, LastApply(0, succeeded=True)))]
    shown += monitoring.of_box(BoxMetrics(agent=True, pending_orders=0, downloaded=0, to_download=0, rate=0, disk=(0, 0), budget=(0, 0)))
    yield "| metric | meaning |\n|---|---|\n"
    for family in shown:
        label = '{state="..."}' if family.samples[0].labels else ""
        yield f"| `{family.name}{label}` | {family.documentation} |\n"


def _commands() -> Iterator[str]:
    yield "\n## From commands to routes\n\n| command | routes |\n|---|---|\n"
    for name, routes in ROUTES.items():
        yield f"| `{name}` | {', '.join(f'`{route}`' for route in routes)} |\n"
    yield "\nWithout a route ([ADR 0047](adr/0047-jobs-and-what-has-no-route.md)):\n\n| command | because it |\n|---|---|\n"
    for name, reason in NONE.items():
        yield f"| `{name}` | {reason} |\n"


def _refusals() -> Iterator[str]:
    yield "\n## What the API itself refuses\n\n| name | status | meaning | what to do |\n|---|---|---|---|\n"
    for name, kind in ((name, kind) for name, kind in KINDS.items() if not kind.of_pages):
        yield f"| `{name}` | {kind.status} | {kind.title} | {kind.solution} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"written: {PAGE.name}\n")
