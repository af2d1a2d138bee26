"""What lies on media, for people."""

from __future__ import annotations

from kelvin_provision.cli.render.report import Item
from kelvin_provision.media.arrivals import Arrival


def items_of(arrival: Arrival) -> tuple[Item, ...]:
    """A line for each bundle: whose it is, and what became of it, or the command that imports it."""
    from kelvin_provision.cli.frame import hints

    items = []
    for bundle in arrival.bundles:
        hint = arrival.hint(bundle)
        more = [bundle.signed if bundle.digest else "", bundle.reason, f"import with: {hints.line(hint)}" if hint else ""]
        items.append(Item("bundle", bundle.name, str(bundle.seen), "; ".join([f"on {arrival.medium}", *filter(None, more)])))
    return tuple(items)
