"""The firewall of this box, as far as it may keep other machines out: which one there is, and its command for a port.

Nothing is changed: whom a box lets in is decided by its owner.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress

from kelvin_provision.systemd.words import quoted

PATIENCE = 10.0
Ask = Callable[..., str | None]
"""The output of a program, None where it is missing or fails."""


def asked(*words: str) -> str | None:
    if shutil.which(words[0]) is None:
        return None
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False, env=_ENGLISH)
        return done.stdout if done.returncode == 0 else None
    return None


_ENGLISH = {"LC_ALL": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def command_for(port: int, ask: Ask = asked) -> tuple[str, str]:
    """The name of the firewall and its command that lets other machines reach this port; two empty texts where none was found.

    firewalld and ufw first: what they manage must not be changed with the tools below them.
    """
    if ask("firewall-cmd", "--state") is not None:
        return "firewalld", f"firewall-cmd --permanent --add-port={port}/tcp && firewall-cmd --reload"
    if "Status: active" in (ask("ufw", "status") or ""):
        return "ufw", f"ufw allow {port}/tcp"
    if rules := _strict(ask("iptables", "-S", "INPUT")):
        return "iptables", f"iptables -I INPUT{rules} -p tcp --dport {port} -j ACCEPT"
    if chain := _nft_chain(ask("nft", "list", "chains")):
        return "nftables", f"nft insert rule {' '.join(map(quoted, chain))} tcp dport {port} accept"
    return "", ""


def _strict(rules: str | None) -> str:
    """A text that is not empty where the chain can refuse a connection; it stands after INPUT."""
    lines = (rules or "").splitlines()
    refusing = any(line.endswith((" -j DROP", " -j REJECT")) or " -j REJECT " in line for line in lines)
    return " 1" if refusing or any(line in {"-P INPUT DROP", "-P INPUT REJECT"} for line in lines) else ""


def _nft_chain(listing: str | None) -> tuple[str, str, str] | None:
    """Family, table and name of the first chain that filters what comes in; those of iptables have been asked for already."""
    family = table = chain = ""
    for line in (listing or "").splitlines():
        words = line.split()
        if words[:1] == ["table"] and len(words) >= 3:
            family, table = words[1], words[2]
        elif words[:1] == ["chain"] and len(words) >= 2:
            chain = words[1]
        elif words[:4] == ["type", "filter", "hook", "input"] and family in {"inet", "ip", "ip6"} and chain != "INPUT":
            return family, table, chain
    return None
