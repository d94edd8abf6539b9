# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.
"""The fixes of audited workloads as a component of kustomize (pure)."""

from __future__ import annotations

import typing as t

import yaml

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import printable

#: The first line of what is written: a file without it is somebody else's.
MARK: t.Final = "# Written by podshm: the fixes of its audit of workloads."

#: What a component is called in its folder.
FILE: t.Final = "kustomization.yaml"

Facts: t.TypeAlias = "t.Mapping[str, t.Any]"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def as_yaml(data: t.Any) -> str:
    """Data as people write it."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=120)


def patched(workloads: t.Iterable[Facts]) -> list[Facts]:
    """The workloads that have a patch, each object once."""
    return list({(one["kind"], one["namespace"], one["name"]): one for one in workloads if one["patch"]}.values())


def patch_of(one: Facts) -> dict[str, t.Any]:
    """The patch of a workload, with what names its object."""
    metadata = {"name": one["name"], **({"namespace": one["namespace"]} if one["namespace"] else {})}
    return {"apiVersion": one["api_version"] or "v1", "kind": one["kind"], "metadata": metadata, **one["patch"]}


def component(workloads: t.Sequence[Facts]) -> str:
    """The component with all patches; nothing where there is none."""
    found = patched(workloads)
    if not found:
        return ""
    namespaces: dict[tuple[str, str], set[str]] = {}
    for one in found:
        namespaces.setdefault((one["kind"], one["name"]), set()).add(one["namespace"])
    patches = []
    for one in found:
        group, _slash, version = (one["api_version"] or "v1").rpartition("/")
        target = {**({"group": group} if group else {}), "version": version, "kind": one["kind"], "name": one["name"]}
        # an overlay can set the namespace later, so that it names an object only where the name alone does not
        if len(namespaces[one["kind"], one["name"]]) > 1 and one["namespace"]:
            target["namespace"] = one["namespace"]
        patches.append({"target": target, "patch": as_yaml(patch_of(one))})
    knobs = [printable(f"# {one['workload']}: {knob}") for one in workloads for knob in one["knobs"]]
    kept = {(one["kind"], one["namespace"], one["name"]): one["patch"] for one in found}
    others = [
        f"# {one['workload']} ({one['origin'] or 'other pods of it'}) needs another fix than this one of the same name."
        for one in workloads
        if one["patch"] and one["patch"] != kept[one["kind"], one["namespace"], one["name"]]
    ]
    return "\n".join(
        [
            MARK,
            *map(printable, others),
            *(["# Values of operators and charts, which patches of pods do not reach:", *knobs] if knobs else []),
            as_yaml({"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "patches": patches}),
        ]
    )
