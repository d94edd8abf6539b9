# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import types
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import watch
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason

FOREVER: t.Final = time.monotonic() + 3600


def pod(name: str, version: str) -> dict[str, t.Any]:
    return {"metadata": {"name": name, "resourceVersion": version}}


def listed(version: str, *names: str) -> dict[str, t.Any]:
    return {"metadata": {"resourceVersion": version}, "items": [pod(name, version) for name in names]}


def event(kind: str, name: str, version: str) -> dict[str, t.Any]:
    return {"type": kind, "object": pod(name, version)}


class Source:
    """A cluster that answers lists and watches from a script, and then refuses."""

    def __init__(self, lists: list[t.Any], watches: list[list[t.Any]]) -> None:
        self.lists = lists
        self.watches = watches
        self.versions: list[str] = []
        self.seconds: list[int] = []

    def list_pods(self, selector: str) -> dict[str, t.Any]:
        assert selector == "run=1"
        answer = self.lists.pop(0) if self.lists else Inconclusive(Reason.FORBIDDEN, "the script ends")
        if isinstance(answer, Exception):
            raise answer
        return t.cast("dict[str, t.Any]", answer)

    def pod_events(self, selector: str, version: str, seconds: int) -> t.Iterator[dict[str, t.Any]]:
        assert selector == "run=1"
        self.versions.append(version)
        self.seconds.append(seconds)
        if not self.watches:
            raise Inconclusive(Reason.FORBIDDEN, "the script ends")
        for each in self.watches.pop(0):
            if isinstance(each, Exception):
                raise each
            yield each


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    paused: list[float] = []
    # of this module alone: threads of other tests sleep, too
    monkeypatch.setattr(watch, "time", types.SimpleNamespace(monotonic=time.monotonic, sleep=paused.append))
    return paused


def followed(source: Source, until: float = FOREVER) -> list[tuple[str, str]]:
    """What a watch shows until the script ends: name and version, which is empty of a pod that is gone."""
    seen: list[tuple[str, str]] = []

    def follow() -> None:
        for name, found in watch.follow_pods(source, "run=1", until):
            seen.append((name, found["metadata"]["resourceVersion"] if found else ""))

    with pytest.raises(Inconclusive, match="the script ends"):
        follow()
    return seen


def test_a_watch_goes_on_where_it_ended() -> None:
    source = Source(
        [listed("1", "a")],
        [
            [event("ADDED", "b", "2"), event("BOOKMARK", "", "7")],
            [event("MODIFIED", "a", "8"), event("DELETED", "b", "9")],
        ],
    )
    assert followed(source) == [("a", "1"), ("b", "2"), ("a", "8"), ("b", "")]
    assert source.versions == ["1", "7", "9"]


@pytest.mark.parametrize(
    "trouble",
    [
        {"type": "ERROR", "object": {"kind": "Status", "code": 410}},
        {"type": "ADDED", "object": {}},
        {"type": "ADDED", "object": "x"},
        Inconclusive(Reason.API_UNREACHABLE, "it restarts"),
        Inconclusive(Reason.API_ERROR, "it is overloaded"),
    ],
)
def test_a_watch_that_broke_lists_again_and_misses_nothing(trouble: t.Any) -> None:
    source = Source([listed("1", "a", "b"), listed("5", "b", "c")], [[event("ADDED", "d", "2"), trouble]])
    seen = followed(source)
    assert seen[:3] == [("a", "1"), ("b", "1"), ("d", "2")]
    assert sorted(seen[3:5]) == [("a", ""), ("d", "")]
    assert seen[5:] == [("b", "5"), ("c", "5")]
    assert source.versions == ["1", "5"]


def test_a_watch_that_ends_without_an_event_lists_again() -> None:
    source = Source([listed("1", "a"), listed("5", "a", "b")], [[], [event("DELETED", "a", "6")]])
    assert followed(source) == [("a", "1"), ("a", "5"), ("b", "5"), ("a", "")]
    assert source.versions == ["1", "5", "6"]


def test_a_list_that_cannot_be_had_is_taken_again() -> None:
    trouble = [Inconclusive(Reason.API_UNREACHABLE, "it restarts"), {"items": []}]
    assert followed(Source([*trouble, listed("1", "a")], [])) == [("a", "1")]


def test_an_api_server_is_not_hammered(pauses: list[float]) -> None:
    followed(Source([listed("1")] * 7, [[] for unused in range(7)]))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_news_make_the_next_pause_short_again(pauses: list[float]) -> None:
    followed(Source([listed("1")] * 4, [[], [], [event("ADDED", "a", "2")], []]))
    assert pauses == [0.1, 0.2, 0.1, 0.2]


def test_a_watch_ends_with_its_time() -> None:
    source = Source([], [])
    assert list(watch.follow_pods(source, "run=1", time.monotonic() - 1)) == []
    assert source.versions == []


@pytest.mark.parametrize(("left", "least", "most"), [(0.1, 1, 1), (60, 60, 61)])
def test_a_watch_lasts_as_long_as_there_is_time(left: float, least: int, most: int) -> None:
    source = Source([listed("1")], [])
    followed(source, time.monotonic() + left)
    assert least <= source.seconds[0] <= most


# -------------------------------------------------------------------------- waiting


def watching(source: Source) -> watch.PodWatch:
    started = watch.PodWatch(source, "run=1", FOREVER)
    started.start()
    return started


def test_a_thread_that_waits_for_a_pod_gets_the_cause_why_none_is_shown() -> None:
    pods = watching(Source([listed("1", "seen")], []))
    found = pods.wait("seen", bool, FOREVER)
    assert found == pods.latest("seen") == pod("seen", "1")
    with pytest.raises(Inconclusive, match="the script ends"):
        pods.wait("unseen", bool, FOREVER)
    assert pods.latest("unseen") == {}


def test_a_pod_that_is_gone_is_an_empty_one() -> None:
    pods = watching(Source([listed("1", "a")], [[event("DELETED", "a", "2")]]))
    assert pods.wait("a", lambda found: not found, FOREVER) == {}
    assert pods.latest("a") == {}


def test_what_a_test_raises_leaves() -> None:
    def test(found: dict[str, t.Any]) -> bool:
        raise Inconclusive(Reason.POD_GONE, "it is gone")

    with pytest.raises(Inconclusive, match="it is gone"):
        watching(Source([listed("1", "a")], [])).wait("a", test, FOREVER)


def test_a_stop_ends_only_waits_that_can_be_stopped() -> None:
    # never started: only a stop or the time ends a wait
    pods = watch.PodWatch(Source([], []), "run=1", FOREVER)
    pods.stop()
    assert pods.wait("a", bool, FOREVER) is None
    began = time.monotonic()
    assert pods.wait("a", bool, began + 0.05, stoppable=False) is None
    assert time.monotonic() - began >= 0.05


def test_a_list_that_hangs_does_not_hold_who_waits_for_a_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_LOOK_SECONDS", 0.1)
    source = Source([], [])
    monkeypatch.setattr(source, "list_pods", lambda _selector: time.sleep(60))
    # a watch that shows nothing: who waits looks himself
    pods = watch.PodWatch(source, "run=1", FOREVER)
    began = time.monotonic()
    assert pods.wait("a", bool, began + 0.5) is None
    assert time.monotonic() - began < 5


def test_a_watch_that_was_closed_ends_with_its_next_event() -> None:
    source = Source([listed("1", "a", "b")], [])
    pods = watch.PodWatch(source, "run=1", FOREVER)
    pods.close()
    pods._follow()
    assert pods.latest("a")
    assert not pods.latest("b")
