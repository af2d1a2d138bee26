"""List workloads with their states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from kelvin_provision.cli.frame.arguments import Live, names
from kelvin_provision.cli.frame.declared import Option
from kelvin_provision.cli.frame.session import Output, Session
from kelvin_provision.cli.render.report import Report
from kelvin_provision.errors import UsageRefused
from kelvin_provision.hints import command as to_type
from kelvin_provision.queries.listing import LARGEST_PAGE, Cursor, Direction, Query, SortKey
from kelvin_provision.queries.overview import OverviewRequest
from kelvin_provision.spec.enums import State

if TYPE_CHECKING:
    from kelvin_provision.context import Context

_SEARCH = Option(
    "--search",
    metavar="TEXT",
    help="Only those with this text in the title or in a name (workload, app, cluster, node); may be repeated.",
)
_APP = Option("--app-name", metavar="NAME", help="Only workloads of this app; may be repeated.")
_VERSION = Option("--app-version", metavar="VERSION", help="Only workloads of this app version; may be repeated.")
_STATE = Option("--state", metavar="STATE", help="Only workloads in this state, as `explain` lists them; may be repeated.")
_ENABLED = Option("--enabled/--no-enabled", help="Only workloads that are enabled, or only stopped ones.")
_SORT = Option(
    "--sort-by",
    metavar="KEY",
    help="name, title, cluster_name, node_name, enabled, created or updated; may be repeated.  [default: name]",
)
_SIZE = Option("--page-size", metavar="N", min=1, max=LARGEST_PAGE, help="The maximum number of workloads on a page.")
_NEXT = Option(
    "--next", metavar="CURSOR", help="Continue at a page's next_page or previous_page, which contains the filters and the order."
)


def command(
    session: Session,
    *,
    name: Annotated[list[str], names("Only these workloads.")],
    search: Annotated[list[str] | None, _SEARCH] = None,
    app_name: Annotated[list[str] | None, _APP] = None,
    app_version: Annotated[list[str] | None, _VERSION] = None,
    staged: Annotated[bool, Option("--staged", help="Only staged versions, with their download state.")] = False,
    state: Annotated[list[State] | None, _STATE] = None,
    enabled: Annotated[bool | None, _ENABLED] = None,
    sort_by: Annotated[list[SortKey] | None, _SORT] = None,
    direction: Annotated[Direction, Option("--direction", help="The sort direction.")] = Direction.ASC,
    page_size: Annotated[int | None, _SIZE] = None,
    after: Annotated[str | None, _NEXT] = None,
    live: Live = False,
    watch: Annotated[bool, Option("--watch", help="Keep watching; without a terminal, one line for each change.")] = False,
) -> Report:
    """List workloads with their states.

    With --json: the platform's own list. With --watch --json: one object per change, with `time`, `name`, `before`,
    `after` and the list's `item`; the first lines are the present state. Ctrl-C or SIGTERM ends it with exit code 0.
    """
    query = Query(
        search=tuple(search or ()),
        name=tuple(name or ()),
        app_name=tuple(app_name or ()),
        app_version=tuple(app_version or ()),
        state=tuple(state or ()),
        staged=staged,
        enabled=enabled,
        sort_by=tuple(sort_by or ()),
        direction=direction,
    )
    if watch:
        if after or page_size or live:
            raise UsageRefused("--watch cannot be combined with --page-size, --next or --live")
        from kelvin_provision.cli.commands.workloads.watching import watch as watched

        return watched(session, query)
    if after and query != Query():
        raise UsageRefused("--next contains the filters and the order; give no others", hint=to_type("workloads list", "--next", "CURSOR"))
    cursor = Cursor.decode(after) if after is not None else None
    return listed(session, OverviewRequest(query, page_size, cursor, live=live, images=session.output is Output.WIDE))


def listed(session: Session, request: OverviewRequest) -> Report:
    from kelvin_provision.cli.frame.box import context_of
    from kelvin_provision.cli.render import overview as rendered
    from kelvin_provision.media.arrivals import offers, present
    from kelvin_provision.queries.overview import overview

    with context_of(session) as ctx:
        result = overview(ctx, request)
        arrived = tuple(offers(present(ctx.ledger))) if ctx.connections.has_ledger else ()
        followed = _followed(ctx) if ctx.connections.has_ledger and ctx.settings.follow.publications else ()
    page = result.page
    table = rendered.table(result, _footer(session, len(page.items), page.next_page) if request.size or request.cursor else "")
    if result.unused:
        from kelvin_provision.cli.render.first_steps import of_member, with_first_steps
        from kelvin_provision.nodes.keys.files import membership

        member = membership(ctx.settings.state_dir)
        table = of_member(table, member.leader) if member else with_first_steps(table, ctx.settings.registry)
    names = tuple(item.name for item in page.items)
    return Report(
        "workloads list", document=result.to_json(), table=table, warnings=(*rendered.warnings(result), *arrived, *followed), names=names
    )


def _followed(ctx: Context) -> tuple[str, ...]:
    from kelvin_provision.following.overview import notes, overview  # not on a box that follows nothing

    return tuple(notes(overview(ctx)))


def _footer(session: Session, count: int, after: str | None) -> str:
    """The command that shows the next page."""
    import shlex

    what = f"{count} workload{'' if count == 1 else 's'}"
    if after is None:
        return f"Last page: {what}"
    words = ["kelvin-provision", "workloads", "list"]
    words += ["-o", "wide"] if session.output is Output.WIDE else []
    for flag, path in (("--state-dir", session.state_dir), ("--config", session.config)):
        words += [flag, str(path)] if path else []
    return f"Page of {what}; the next one: {shlex.join([*words, '--next', after])}"
