# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real programs on a real cluster: first the audit of every manifest, then every program, then what the audit says of it."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import pathlib
import subprocess
import time
import typing as t

import harness
import shapes
import trees
from shapes import Came, Entry, Shape

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit, manifests
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS

#: Of all proofs together, in seconds.
_PROOFS = 1800

_HERE = pathlib.Path(__file__).parent


def entries(names: t.Iterable[str] = ()) -> list[Entry]:
    """The known programs, or those of some files."""
    wanted = set(names)
    files = sorted(path.stem for path in (_HERE / "known").glob("*.py"))
    if unknown := wanted - {*files}:
        raise ValueError(f"there is no known/{min(unknown)}.py")
    return [importlib.import_module(f"known.{name}").ENTRY for name in files if not wanted or name in wanted]


@dataclasses.dataclass
class Row:
    """A program in a shape: what was predicted, and what came.

    :ivar finds: what the audit found in the manifest, as V(SHM701 FAIL).
    :ivar proved: the verdict of a pod in its shape in which nothing of the program ran; nothing where none was needed.
    :ivar unproved: whether there was no proof where the audit says that a size is too small.
    :ivar signs: what it found in the pod afterwards.
    """

    entry: Entry
    shape: Shape
    manifest: dict[str, t.Any]
    predicted: tuple[Came, ...] = ()
    finds: frozenset[str] = frozenset()
    proved: str = ""
    evidence: str = ""
    unproved: bool = False
    came: Came | None = None
    exit_code: int | None = None
    log: str = ""
    seconds: float = 0
    signs: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return f"{self.entry.name}: {self.shape.name}"

    def wrong(self) -> str:
        """What is not as it must be, in words; nothing if all is."""
        wanted = frozenset() if self.shape.mends else self.shape.finds
        words = []
        if self.finds != wanted:
            words.append(f"the audit found {_list(self.finds)}, not {_list(wanted)}")
        if self.came is not self.shape.came:
            words.append(f"it {_word(self.came)} (exit code {self.exit_code}), and should be: {_word(self.shape.came)}")
        if self.predicted and self.came not in self.predicted:
            words.append(f"the audit predicted {_words(self.predicted)}, and it came as {_word(self.came)}")
        if (self.proved, self.came) in _CONTRADICTIONS:
            words.append(f"the proof is {self.proved} ({self.evidence}), and it came as {_word(self.came)}")
        if self.unproved:
            words.append("nobody proved the size that is too small")
        if self.shape.sign and self.shape.sign not in self.signs:
            words.append(f"afterwards the audit found {_list(self.signs)}, not {self.shape.sign}")
        return "; ".join(words)


#: A proof is about what the program needs: where that is there it may still do without (a flag), but does not fail.
_CONTRADICTIONS = {("FAIL", Came.WORKS), ("PASS", Came.FAILS), ("ERROR", Came.WORKS), ("ERROR", Came.FAILS)}


def _word(came: Came | None) -> str:
    return came.value if came else "not run"


def _words(came: t.Sequence[Came]) -> str:
    """Of a warning, which leaves open whether it fails or does less, one word."""
    return came[0].value if len(came) == 1 else "warned" if came else "not known"


def _ids(found: t.Collection[str]) -> str:
    return ", ".join(sorted(each.split()[0] for each in found)) or "-"


def _list(found: t.Collection[str]) -> str:
    return ", ".join(sorted(found)) or "nothing"


def _audit(documents: t.Sequence[dict[str, t.Any]]) -> dict[str, dict[str, t.Any]]:
    """What the audit says of manifests, by the name of the object."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)})
    workloads, problems = manifests.read(text, "manifests.json")
    assert problems == [], [str(problem) for problem in problems]
    return {one.name: audit.facts_of(one, PROGRAMS) for one in workloads}


def _found(workload: t.Mapping[str, t.Any]) -> frozenset[str]:
    return frozenset(f"{one['rule']} {one['severity']}" for one in workload["findings"])


def there(entry: Entry) -> tuple[pathlib.Path, str]:
    """The tree of a program, and its release."""
    return trees.tree(entry.parts), trees.versions(entry.parts)[entry.version_of] if entry.version_of else ""


def predict(found: t.Sequence[Entry], where: t.Callable[[Entry], tuple[pathlib.Path, str]] = there) -> list[Row]:
    """Audit the manifests of all shapes. Nothing has been run yet, and no cluster is needed.

    What a shape mends is mended with the patch that the audit has written for it.
    """
    rows = [
        Row(entry, shape, shapes.pod(entry, shape, *where(entry)))
        for entry in found
        for shape in entry.shapes
        if not shape.mends
    ]
    audited = _audit([row.manifest for row in rows])
    by_name = {row.name: row for row in rows}
    for entry in found:
        for shape in entry.shapes:
            if shape.mends:
                before = by_name[f"{entry.name}: {shape.mends}"].manifest
                manifest = shapes.merged(before, audited[before["metadata"]["name"]]["patch"])
                manifest["metadata"]["name"] = shapes.pod_name(entry, shape)
                rows.append(Row(entry, shape, manifest))
    audited |= _audit([row.manifest for row in rows if row.shape.mends])
    for row in rows:
        workload = audited[row.manifest["metadata"]["name"]]
        row.predicted, row.finds = shapes.predicted(workload, row.shape.is_idle), _found(workload)
    return sorted(rows, key=lambda row: (found.index(row.entry), row.entry.shapes.index(row.shape)))


@contextlib.contextmanager
def named_images(cluster: harness.Cluster, rows: t.Iterable[Row]) -> t.Iterator[None]:
    """For as long as the block runs, busybox, the one image that the node has, has the names of the programs' images, too.

    No registry is in reach, and a pod is audited by the name that its image has outside.
    """
    home = cluster.kubeconfig.parent
    argv = [str(home / "bin" / "ctr"), f"--address={home / 'run' / 'containerd.sock'}", "--namespace=k8s.io", "images"]
    there = subprocess.run([*argv, "list", "--quiet"], capture_output=True, text=True, check=True).stdout.split()
    busybox = next((name for name in there if name.startswith("docker.io/library/busybox:")), None)
    assert busybox, f"no busybox among {there}"
    wanted = {one["image"] for row in rows for one in row.manifest["spec"]["containers"]}
    added = sorted(wanted - {*there})
    for name in added:
        subprocess.run([*argv, "tag", busybox, name], capture_output=True, check=True)
    try:
        yield
    finally:
        if added:
            subprocess.run([*argv, "remove", *added], capture_output=True, check=True)


def prove(cluster: harness.Cluster, namespace: str, rows: t.Sequence[Row]) -> None:
    """Measure in the shape of each pod whether what its program needs is there. No program has been run yet.

    A Deployment of no replicas has the template, and creates no pod.
    """
    path = f"apis/apps/v1/namespaces/{namespace}/deployments"
    for row in rows:
        name, annotations = (row.manifest["metadata"][key] for key in ("name", "annotations"))
        labels = {"row": name}
        # what runs for ever has no deadline
        pod = {**row.manifest["spec"], "restartPolicy": "Always"}
        del pod["activeDeadlineSeconds"]
        template = {"metadata": {"annotations": annotations, "labels": labels}, "spec": pod}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        cluster.request("POST", path, {"metadata": {"name": name}, "spec": spec})
    wanted: dict[str, t.Any] = {
        "namespaces": [namespace],
        "kinds": ["Deployment"],
        "prove": True,
        "prove_timeout": _PROOFS,
    }
    answer = harness.call(cluster, "shm_workload", **wanted).answer(_PROOFS + 120)
    assert answer.code == 0, answer.output
    assert answer.result["leftovers"] == []
    by_name = {one["name"]: one for one in answer.result["workloads"]}
    for row in rows:
        # of what is mended, the pod that has the fix is its own row
        for proof in by_name[row.manifest["metadata"]["name"]]["proof"][:1]:
            row.proved, row.evidence = proof["verdict"], "; ".join(proof["observed"][:1])
        row.unproved = "SHM701 FAIL" in row.finds and not row.proved
        print(f"{row.name}: proof {row.proved or 'not needed'}", flush=True)


def run(cluster: harness.Cluster, namespace: str, rows: t.Sequence[Row]) -> None:
    """Run one program after the other, and then audit the pods as they are."""
    files = {path.name: path.read_text("utf-8") for path in (_HERE / "files").iterdir()}
    cluster.create("configmaps", {"metadata": {"name": shapes.CONFIG_MAP}, "data": files}, namespace)
    for row in rows:
        began = time.monotonic()
        _run(cluster, namespace, row)
        row.seconds = time.monotonic() - began
        print(f"{row.name}: {_word(row.came)}, {row.seconds:.0f} s", flush=True)
    answer = harness.call(cluster, "shm_workload", namespaces=[namespace], kinds=["Pod"], logs=True).answer(180)
    assert answer.code == 0, answer.output
    by_name = {one["name"]: one for one in answer.result["workloads"]}
    for row in rows:
        found = by_name[row.manifest["metadata"]["name"]]["findings"]
        afterwards = [one for one in found if one["rule"].startswith("SHM72")]
        row.signs = frozenset(f"{one['rule']} {one['program']}".rstrip() for one in afterwards)


def _run(cluster: harness.Cluster, namespace: str, row: Row) -> None:
    name = row.manifest["metadata"]["name"]
    first = row.manifest["spec"]["containers"][0]["name"]
    cluster.create("pods", row.manifest, namespace)

    def ended(seen: dict[str, dict[str, t.Any]]) -> bool:
        return any(_end(pod, first) is not None for key, pod in seen.items() if key == f"{namespace}/{name}")

    deadline = time.monotonic() + row.entry.seconds + 60
    seen: dict[str, dict[str, t.Any]] = {}
    while not seen:
        try:
            # a watch on which nothing comes for a minute is cut
            seen = cluster.until("pods", namespace, ended, seconds=45)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
    row.exit_code = _end(seen[f"{namespace}/{name}"], first)
    path = f"{cluster.path('pods', namespace, name)}/log"
    row.log = cluster.request("GET", path, query={"container": first}, stream_seconds=60).data.decode(
        "utf-8", "replace"
    )
    row.came = row.entry.came(row.exit_code or 0, row.log)


def _end(pod: t.Mapping[str, t.Any], container: str) -> int | None:
    """The exit code of a container, or that its pod never ran it; None while it runs."""
    status = pod.get("status") or {}
    for one in status.get("containerStatuses") or ():
        if one["name"] == container and (state := one["state"].get("terminated")):
            return int(state["exitCode"])
    return -1 if status.get("phase") == "Failed" else None


def table(rows: t.Sequence[Row]) -> str:
    """Program by shape: predicted, came, seconds, and what the audit finds before and afterwards."""
    lines = [("program", "shape", "predicted", "proof", "came", "exit", "s", "found", "afterwards")]
    for row in rows:
        marks = " !" if row.wrong() else ""
        lines.append(
            (
                row.entry.name,
                row.shape.name,
                _words(row.predicted),
                row.proved or "-",
                _word(row.came) + marks,
                str(row.exit_code),
                f"{row.seconds:.0f}",
                _ids(row.finds),
                _ids(row.signs),
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*text, *(f"{row.name}: {words}" for row in rows if (words := row.wrong()))])
