# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _overlay
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import PodOptions
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run import manifests

VALUES: dict[type, t.Any] = {dict: {"a": "b"}, list: [{"a": "b"}], str: "x"}
#: A field of metadata or spec that a pod of podshm has.
_META = manifests.RunMeta("ff", "", "n", "n1", "amd64", "pause", "Never", "c", ({},), {}, {}, 1)


def nested(path: str, value: t.Any) -> dict[str, t.Any]:
    """An overlay of one field. The names of labels contain dots."""
    if path.startswith("metadata.labels."):
        return {"metadata": {"labels": {path.removeprefix("metadata.labels."): value}}}
    for key in reversed(path.split(".")):
        value = {key: value}
    found: dict[str, t.Any] = value
    return found


@pytest.mark.parametrize("path", _overlay.MERGED)
def test_what_is_merged(path: str) -> None:
    given = nested(path, VALUES[_overlay.MERGED[path]])
    labels, annotations, spec = _overlay.overlay(given)
    assert {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec} == {
        "metadata": {"labels": {}, "annotations": {}, **given.get("metadata", {})},
        "spec": given.get("spec", {}),
    }


@pytest.mark.parametrize("path", _overlay.REFUSED)
@pytest.mark.parametrize("value", ["x", {}, None, True, [{"name": "a"}]])
def test_what_is_refused_is_named_with_what_to_do(path: str, value: t.Any) -> None:
    with pytest.raises(ValueError, match=r"^pod_overlay: \S+ is refused: .+") as error:
        _overlay.overlay(nested(path, value))
    assert str(error.value).split()[1] == path
    assert any(word in str(error.value) for word in ("use the option", "remove ", "let the namespace"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kind": "Pod"}, "kind is not merged; merged are metadata.labels, "),
        ({"spec": {"nodeselector": {}}}, "spec.nodeselector is not merged; did you mean spec.nodeSelector?"),
        ({"spec": {"DNSPolicy": "x"}}, "spec.DNSPolicy is not merged; did you mean spec.dnsPolicy?"),
        ({"spec": {"nobody": 1}}, "spec.nobody is not merged; merged are "),
        ({"spec": {"securityContext": {"new": 1}}}, "spec.securityContext.new is not merged; merged are "),
        ({"spec": []}, "spec is not a dictionary"),
        ({"metadata": None}, "metadata is not a dictionary"),
        ({"metadata": {"labels": {}}}, "metadata.labels is not a dictionary with content; correct it, or remove it"),
        ({"spec": {"dnsPolicy": 5}}, "spec.dnsPolicy is not a text with content"),
        ({"spec": {"hostAliases": {"a": 1}}}, "spec.hostAliases is not a list with content"),
        ({"metadata": {"labels": {"on": True}}}, "the value of metadata.labels.on is not a text; put it in quotes"),
        ({"spec": {"nodeSelector": {"a": 1}}}, "the value of spec.nodeSelector.a is not a text; put it in quotes"),
    ],
)
def test_what_has_no_meaning_is_named(given: dict[str, t.Any], words: str) -> None:
    with pytest.raises(ValueError, match=r"^pod_overlay: ") as error:
        _overlay.overlay(given)
    assert words in str(error.value)


def test_nothing_that_podshm_sets_is_merged() -> None:
    options = PodOptions(share_pids=True, own_users=True, host_ipc=True, fs_group=1)
    plan = manifests.PodPlan("x", options, (), sysctls=(("kernel.shmmax", "1"),))
    pod = manifests.pod(_META, plan, "uid")
    ours = {f"spec.{field}" for field in pod["spec"]} | {f"metadata.{field}" for field in pod["metadata"]}
    ours |= {f"spec.securityContext.{field}" for field in pod["spec"]["securityContext"]}
    assert not ours & _overlay.MERGED.keys() - {"metadata.labels", "metadata.annotations"}
    parts = {"spec.securityContext", "metadata.labels", "metadata.annotations"}
    assert ours - parts <= _overlay.REFUSED.keys()
