# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write an inventory with one host per context: kubeconfig_inventory.py FILE.

Reads KUBECONFIG (one path, or several joined by colons) and CONTEXT (names joined by commas; without
it each file's, that is the first file's, current context). The inventory holds paths and names, no credentials.
"""

from __future__ import annotations

import os
import re
import sys
import typing as t
from pathlib import Path

import yaml


class Unusable(Exception):
    """The kubeconfig cannot be used; the message is the one line to show."""


class Target(t.NamedTuple):
    """One context and the file that defines it."""

    context: str
    kubeconfig: Path
    server: str


def load(path: Path) -> dict[str, t.Any]:
    """Read one kubeconfig; the parser's message is not shown, it could quote a token."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Unusable(f"KUBECONFIG {path}: {error.strerror}; name a readable kubeconfig") from error
    except (yaml.YAMLError, UnicodeDecodeError):
        content = None
    if not isinstance(content, dict):
        raise Unusable(f"KUBECONFIG {path}: not a kubeconfig (no YAML mapping); name another file")
    return content


def named(config: dict[str, t.Any], kind: str) -> dict[str, dict[str, t.Any]]:
    """Return the entries of clusters or contexts by name."""
    entries = config.get(f"{kind}s") or []
    return {entry["name"]: entry.get(kind) or {} for entry in entries if isinstance(entry, dict) and "name" in entry}


def find(context: str, configs: dict[Path, dict[str, t.Any]]) -> Target:
    """Find the first file that defines the context, as kubectl does."""
    for path, config in configs.items():
        entry = named(config, "context").get(context)
        if entry is None:
            continue
        cluster = named(config, "cluster").get(entry.get("cluster", ""))
        if cluster is None:
            raise Unusable(
                f"KUBECONFIG {path}: context {context} names the cluster {entry.get('cluster')}, which is not in the "
                "same file; join the files with: kubectl config view --flatten"
            )
        return Target(context, path, str(cluster.get("server", "no server")))
    known = sorted({name for config in configs.values() for name in named(config, "context")})
    raise Unusable(f"CONTEXT {context}: not in KUBECONFIG; it has: {', '.join(known) or 'no context at all'}")


def targets(kubeconfig: str, contexts: str) -> list[Target]:
    """Resolve both variables; like kubectl, pass over missing files when there are several."""
    paths = [Path(part).expanduser().absolute() for part in kubeconfig.split(os.pathsep) if part]
    present = [path for path in paths if path.exists()] or paths[:1]
    configs = {path: load(path) for path in present}
    wanted = re.split(r"[,\s]+", contexts.strip()) if contexts.strip() else []
    if not wanted:
        current = next(
            (config["current-context"] for config in configs.values() if config.get("current-context")), None
        )
        if current is None:
            raise Unusable(f"KUBECONFIG {kubeconfig}: no current context; name one or more: CONTEXT=NAME,...")
        wanted = [current]
    return [find(context, configs) for context in dict.fromkeys(wanted)]


def host_name(context: str, taken: t.Container[str]) -> str:
    """Turn a context into a name that is safe as inventory host and as file name, and not taken."""
    base = re.sub(r"[^A-Za-z0-9_.-]+", "-", context).strip("-.") or "cluster"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name


def inventory(found: list[Target]) -> dict[str, t.Any]:
    """Return the inventory: host = cluster."""
    hosts: dict[str, t.Any] = {}
    for target in found:
        hosts[host_name(target.context, hosts)] = {
            "podshm_kubeconfig": str(target.kubeconfig),
            "podshm_context": target.context,
        }
    variables = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    return {"all": {"hosts": hosts, "vars": variables}}


def main() -> None:
    """Write the file and say which clusters are in it."""
    try:
        found = targets(os.environ["KUBECONFIG"], os.environ.get("CONTEXT", ""))
    except Unusable as error:
        sys.exit(f"site: {error}")
    content = inventory(found)
    Path(sys.argv[1]).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    for name, target in zip(content["all"]["hosts"], found, strict=True):
        print(f"site: cluster {name}: {target.server}, context {target.context} of {target.kubeconfig}")


if __name__ == "__main__":
    main()
