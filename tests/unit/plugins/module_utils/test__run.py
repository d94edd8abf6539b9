# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections.abc
import copy
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _catalog, _cluster, _plan, _pod, _run
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import REMEDIES, Undecided

SETTINGS = _plan.Settings(namespace="n", timeout=5, start_timeout=5, cleanup_timeout=5)
CHECKS = [_catalog.BY_ID["SHM301"]]

NODE = {
    "metadata": {"name": "node"},
    "status": {
        "nodeInfo": {"architecture": "amd64"},
        "conditions": [{"type": "Ready", "status": "True"}],
        "allocatable": {"memory": "1Gi"},
        "images": [{"names": ["registry.k8s.io/pause:3.10"]}],
    },
}


class FakeCluster:
    """A cluster without a kubelet: pods never start. It fails when and as it is told."""

    server = "https://fake"

    def __init__(self) -> None:
        self.until = 0.0
        self.objects: dict[str, dict[str, t.Any]] = {}
        #: method -> errors that it raises, one per call, before it works
        self.trouble: dict[str, list[BaseException]] = {}
        self.lost = False

    def _raise(self, method: str) -> None:
        if self.trouble.get(method):
            raise self.trouble[method].pop(0)

    def nodes(self) -> list[dict[str, t.Any]]:
        self._raise("nodes")
        return [NODE]

    def create(self, manifest: dict[str, t.Any], dry_run: bool) -> dict[str, t.Any]:
        stored = {**manifest, "metadata": {**manifest["metadata"], "uid": f"uid-{len(self.objects)}"}}
        if not dry_run:
            self.objects[_cluster.title(stored)] = stored
        self._raise("create")
        return stored

    def delete(self, stored: dict[str, t.Any]) -> None:
        self._raise("delete")
        self.objects.pop(_cluster.title(stored), None)

    def left(self, run: str) -> list[dict[str, t.Any]]:
        self._raise("left")
        return [one for one in self.objects.values() if one["metadata"]["labels"][_pod.RUN_LABEL] == run]

    def watch_pods(self, run: str, until: float) -> collections.abc.Iterator[tuple[str, dict[str, t.Any]]]:
        yield from ()
        raise Undecided("PodGone", "the fake shows no pods")

    def events(self, pod: dict[str, t.Any]) -> list[dict[str, t.Any]]:
        return []


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    cluster = FakeCluster()
    monkeypatch.setattr(_cluster, "Cluster", lambda module, namespace, timeout: cluster)
    return cluster


def ran(check_mode: bool = False) -> _run.Result:
    return _run.run(None, "c", CHECKS, SETTINGS, check_mode)


def test_nothing_is_left_when_nothing_works(fake: FakeCluster) -> None:
    result = ran()
    assert [check["reason"] for check in result.checks] == ["PodGone"]
    assert result.residue == []
    assert fake.objects == {}


def test_on_windows_nothing_is_meant_to_be_asked_and_nothing_passes(
    fake: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = {**NODE["status"]["nodeInfo"], "operatingSystem": "windows"}  # type: ignore[dict-item]
    monkeypatch.setattr(fake, "nodes", lambda: [{**NODE, "status": {**NODE["status"], "nodeInfo": info}}])
    result = ran()
    assert [(check["verdict"], check["reason"]) for check in result.checks] == [("SKIP", "NotLinux")]
    assert result.status == "ERROR"


def test_who_asks_the_api_server_alone_needs_no_probe_that_works() -> None:
    probed, dry = _catalog.BY_ID["SHM301"], _catalog.BY_ID["SHM607"]
    assert [_run._leans(probed, control.id) for control in _catalog.CONTROLS] == [True, True, True]
    assert [_run._leans(dry, control.id) for control in _catalog.CONTROLS] == [False, False, True]


def test_check_mode_writes_nothing(fake: FakeCluster) -> None:
    result = ran(check_mode=True)
    assert result.status == "SKIP"
    assert fake.objects == {}


@pytest.mark.parametrize("method", ["nodes", "create"])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Undecided("Forbidden", "no", "nodes"), "Forbidden"),
        (_cluster.Interrupt("SIGTERM"), "Interrupted"),
        (RuntimeError("with a secret"), "Internal"),
    ],
)
def test_every_error_is_one_line_with_a_remedy(
    fake: FakeCluster, method: str, error: BaseException, reason: str
) -> None:
    fake.trouble[method] = [error]
    result = ran()
    assert result.line().startswith(f"cluster c: {reason}: ")
    assert result.line().endswith(REMEDIES[reason])
    assert "secret" not in result.line()
    assert result.checks[0]["verdict"] == "ERROR"
    # also what was created while the answer was lost
    assert fake.objects == {}
    assert result.residue == []


def test_a_clean_up_is_tried_again_while_the_api_server_restarts(fake: FakeCluster) -> None:
    down = Undecided("ApiUnreachable", "refused", "API server x")
    fake.trouble = {"create": [RuntimeError()], "delete": [down], "left": [down]}
    assert ran().residue == []
    assert fake.objects == {}


def test_what_the_cluster_changed_is_told_with_the_verdict(fake: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    create = fake.create

    def mutating(manifest: dict[str, t.Any], dry_run: bool) -> dict[str, t.Any]:
        stored = create(copy.deepcopy(manifest), dry_run)
        if stored["kind"] == "Pod":
            stored["spec"]["hostIPC"] = True
        return stored

    monkeypatch.setattr(fake, "create", mutating)
    (check,) = ran().checks
    assert check["verdict"] == "ERROR"
    assert check["observed"].endswith("; the cluster changed the pod: hostIPC false -> true")


def test_what_may_not_be_deleted_is_told_with_its_cause_and_not_tried_again(fake: FakeCluster) -> None:
    title = "configmap n/podshm-1-probe"
    fake.trouble = {"delete": [Undecided("Forbidden", "no delete", title)] * 9}
    residue = ran().residue
    assert len(residue) == len(fake.objects) == 3
    left = [{"kind": "ConfigMap", "metadata": {"namespace": "n", "name": "podshm-1-probe"}}]
    assert _run._residue(left, [Undecided("Forbidden", "no delete", title)]) == [f"{title}: no delete"]


def test_that_nobody_could_look_is_told(fake: FakeCluster) -> None:
    fake.trouble = {"left": [Undecided("Forbidden", "no list", "pods")]}
    assert ran().residue == ["could not look: pods: no list"]


def test_an_unknown_residue_is_no_residue_when_looking_works() -> None:
    assert _run._residue([], [Undecided("ApiError", "a delete failed, but it had worked")]) == []
