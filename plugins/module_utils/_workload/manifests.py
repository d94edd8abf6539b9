# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.
"""Manifests as text -> the workloads in them (pure): files, rendered charts, kustomize's output, List objects, CRDs."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import math
import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import internal
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.kinds import BUILT_IN

with contextlib.suppress(ImportError):
    import yaml  # it comes with ansible-core, and with the Kubernetes client

#: More than any chart renders, in bytes of text. C(Manifests) of a whole cluster come from the cluster itself.
MAX_BYTES: t.Final = 64 * 1024 * 1024

#: More values than any manifest has: aliases of aliases (a "YAML bomb") stand for more.
_MAX_VALUES: t.Final = 2_000_000

#: How deep the values of a manifest are nested at most.
_MAX_NESTING: t.Final = 250

#: How deep a pod template can lie in a custom resource.
_MAX_DEPTH: t.Final = 24


@dataclasses.dataclass(frozen=True)
class Workload:
    """What creates pods: an object with a pod template, or a pod.

    :param kind: V(Deployment), as the manifest has it; C(api_version) likewise.
    :param path: where in the object the template is, as in V(spec.template).
    :param origin: the file and line that it comes from, or nothing where a cluster has it.
    :param seen: the spec of a live pod of it, with what admission and injection made of it.
    :param pods: its live pods, as far as something became of them; C(replicas) how many there are.
    :param allocatable: the least memory, in bytes, that pods can have on a node of its pods; None where that is not known.
    :param used: by volume of medium Memory, the most, in bytes, that a live pod has in it, as far as that is known.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    path: tuple[str | int, ...]
    metadata: t.Mapping[str, t.Any]
    spec: t.Mapping[str, t.Any]
    origin: str = ""
    seen: t.Mapping[str, t.Any] | None = None
    pods: t.Sequence[t.Mapping[str, t.Any]] = ()
    replicas: int = 0
    allocatable: int | None = None
    used: t.Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def subject(self) -> str:
        """It in words: V(Deployment shop/db), with the place of the template where the object has several."""
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"

    @property
    def latest(self) -> t.Mapping[str, t.Any]:
        """The spec of its pods, as far as it is known: that of a live one, or of the template."""
        return self.seen or self.spec

    @property
    def is_owned(self) -> bool:
        """Whether a controller creates its pods, again and again."""
        return self.kind != "Pod"

    @property
    def is_without_pods(self) -> bool:
        """Whether its pods are not in it: an operator makes them of something else."""
        return self.is_owned and not self.latest


@dataclasses.dataclass(frozen=True)
class Problem:
    """What of the manifests cannot be audited, and why, in one line with its file and line."""

    origin: str
    words: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.words}"


#: Kinds that have no pods, and fields that look like a template.
_NO_PODS: t.Final = frozenset({"CustomResourceDefinition", "ConfigMap", "Secret", "PodTemplate"})

#: Fields of custom resources whose operators make pods of them, and groups that have such fields for something else.
_OF_OPERATORS: t.Final = frozenset(
    {"image", "imageName", "container", "containers", "podTemplate", "replicas", "instances", "numberOfInstances"}
)
_GROUPS_WITHOUT_PODS: t.Final = ("cluster.x-k8s.io", "toolkit.fluxcd.io")

#: Kinds of Argo whose templates are containers rather than pods.
_OF_ARGO: t.Final = frozenset({"Workflow", "CronWorkflow", "WorkflowTemplate", "ClusterWorkflowTemplate"})


#: After so many documents that are no YAML the rest of a text is left alone.
_MAX_BROKEN: t.Final = 50

_DOCUMENT: t.Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)

#: The number of a line, from 0 -> file and line.
_Where: t.TypeAlias = "collections.abc.Callable[[int], str]"


def read(text: str, name: str) -> tuple[list[Workload], list[Problem]]:
    """The workloads of a text of one or more documents, and what of it cannot be read.

    :param name: of the file, for messages.
    """
    if len(text) > MAX_BYTES:
        return [], [Problem(name, f"it has more than {MAX_BYTES} bytes; split it")]
    found: list[Workload] = []
    problems: list[Problem] = []
    lines_before = 0
    for _broken in range(_MAX_BROKEN):
        first = lines_before
        line = _read(text, lambda line, first=first: f"{name}:{first + line + 1}", found, problems)  # type: ignore[misc]
        # what comes after a document that is no YAML is read
        start = line is not None and _DOCUMENT.search(text, max(1, _start_of_line(text, line)))
        if not start:
            break
        lines_before += text.count("\n", 0, start.start())
        text = text[start.start() :]
    return found, problems


def _start_of_line(text: str, line: int) -> int:
    position = 0
    for _line in range(line):
        position = text.find("\n", position) + 1 or len(text)
    return position


def _read(text: str, where: _Where, found: list[Workload], problems: list[Problem]) -> int | None:
    """Read a text to its end, or to the line (returned) where it is no YAML."""
    unreadable = _forbidden(text) or _too_deep(text)
    if unreadable:
        begins, line, words = unreadable
        broken = _read(text[: _start_of_line(text, begins)], where, found, problems)
        if broken is None:
            problems.append(Problem(where(line), words))
        return line if broken is None else broken
    loader = _loader(text)
    try:
        while loader.check_node():
            node = t.cast("yaml.Node", loader.get_node())
            if _expanded(node) > _MAX_VALUES:
                words = f"its aliases stand for more than {_MAX_VALUES} values"
                problems.append(Problem(where(node.start_mark.line), words))
                continue
            second = _second_key(node)
            if second:
                words = f"a second {second.value} in one object: is a line --- missing?"
                problems.append(Problem(where(second.start_mark.line), words))
                continue
            workloads, wrong = _objects(loader.construct_document(node), node, where)
            found += workloads
            problems += wrong
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        problem = Problem(where(line), _yaml_words(error, text, line + 1))
        # of a document that is no YAML from its first line on
        if problem not in problems:
            problems.append(problem)
        return line
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problems.append(Problem(where(0), f"it is no YAML: {type(error).__name__}"))
    finally:
        loader.dispose()
    return None


def _loader(text: str) -> t.Any:
    """A loader that makes of values what Kubernetes makes of them: a date is text, and a number has 64 bits."""
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    made = {
        "timestamp": base.construct_yaml_str,
        "binary": base.construct_yaml_str,
        "set": base.construct_yaml_map,
        "omap": base.construct_yaml_seq,
        "pairs": base.construct_yaml_seq,
        "int": _number,
        "float": _number,
    }
    constructors = {f"tag:yaml.org,2002:{name}": construct for name, construct in made.items()}
    return type("Loader", (base,), {"yaml_constructors": {**base.yaml_constructors, **constructors}})(text)


def _number(loader: t.Any, node: yaml.Node) -> t.Any:
    """A number; the text of one that is none, or too large."""
    is_float = node.tag.endswith(":float")
    try:
        number = loader.construct_yaml_float(node) if is_float else loader.construct_yaml_int(node)
    except ValueError:
        return node.value
    return number if abs(number) < 2**64 else node.value


def _forbidden(text: str) -> tuple[int, int, str] | None:
    """As :func:`_too_deep`, of the first document with a character that YAML forbids."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if not found:
        return None
    before = [0, *(one.start() for one in _DOCUMENT.finditer(text, 0, found.start()))][-1]
    words = f"it is no YAML: it has the control character U+{ord(found[0]):04X}"
    return text.count("\n", 0, before), text.count("\n", 0, found.start()), words


def _too_deep(text: str) -> tuple[int, int, str] | None:
    """Of the first document that is nested too deep, the lines where it begins and where it is too deep, and the words for it.

    libyaml would end the process; without it Python raises an error.
    """
    if not hasattr(yaml, "CSafeLoader"):
        return None
    depth = begins = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            line = event.start_mark.line if event.start_mark else 0
            if isinstance(event, yaml.DocumentStartEvent):
                begins = line
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > _MAX_NESTING:
                    return begins, line, f"its values are nested more than {_MAX_NESTING} deep"
    except yaml.YAMLError:
        # found again, and said, where it is read
        pass
    return None


def _yaml_words(error: yaml.MarkedYAMLError, text: str, line: int) -> str:
    lines = text.splitlines()
    if "{{" in "\n".join(lines[max(0, line - 2) : line + 1]):
        return "it is a template that is not rendered; give the output of helm template"
    # what is quoted can be the beginning of a password: !secret, *secret
    problem = re.sub(
        r"\b(tag|alias|anchor|handle) ['\"].*", r"\1", str(error.problem or error.context), flags=re.DOTALL
    )
    return f"it is no YAML: {problem}"


def _expanded(node: yaml.Node) -> float:
    """How many values a document stands for, with its aliases written out; without end if one holds itself."""
    sizes: dict[int, float] = {}
    is_open: set[int] = set()
    stack: list[tuple[yaml.Node, bool]] = [(node, False)]
    while stack:
        one, is_done = stack.pop()
        children: list[yaml.Node] = []
        if isinstance(one, yaml.MappingNode):
            children = [each for pair in one.value for each in pair]
        elif isinstance(one, yaml.SequenceNode):
            children = list(one.value)
        if is_done:
            is_open.discard(id(one))
            sizes[id(one)] = 1 + sum(sizes[id(each)] for each in children)
        elif id(one) in is_open:
            return math.inf
        elif id(one) not in sizes:
            is_open.add(id(one))
            stack.append((one, True))
            stack += [(each, False) for each in children]
    return sizes[id(node)]


def _objects(document: t.Any, node: yaml.Node, where: _Where) -> tuple[list[Workload], list[Problem]]:
    """The workloads of one document, each with its own line where it is an item of a List."""
    origin = where(node.start_mark.line)
    if document is None:
        return [], []
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        return [], [Problem(origin, "it is no object of Kubernetes: it has no kind")]
    if document["kind"] == "List" and not isinstance(document.get("items") or [], list):
        return [], [Problem(origin, "items of the List is no list")]
    if document["kind"].endswith("List") and isinstance(document.get("items"), list):
        found: list[Workload] = []
        problems: list[Problem] = []
        # what the API server itself returns has the kind of its items once
        kind = {"apiVersion": document.get("apiVersion"), "kind": document["kind"].removesuffix("List")}
        for item, item_node in zip(document["items"], _item_nodes(node), strict=False):
            is_bare = isinstance(item, dict) and "kind" not in item and kind["kind"]
            workloads, wrong = _objects({**kind, **item} if is_bare else item, item_node, where)
            found += workloads
            problems += wrong
        return found, problems
    try:
        return workloads_of(document, origin), []
    except ValueError as error:
        return [], [Problem(origin, str(error))]
    except Exception as error:  # noqa: BLE001
        problem = internal(error)
        return [], [Problem(origin, f"{problem.reason}: {problem}; {problem.remedy}")]


def _second_key(node: yaml.Node) -> yaml.Node | None:
    """Where a second object begins in one that has all its fields: of two equal keys, the last one counts."""
    seen = set()
    for key, _value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value in seen:
            return t.cast("yaml.Node", key)
        seen |= {key.value} & {"apiVersion", "kind", "metadata", "spec"}
    return None


def _item_nodes(node: yaml.Node) -> list[yaml.Node]:
    for key, value in t.cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
        if key.value == "items":
            return t.cast("list[yaml.Node]", value.value)
    return []


def workloads_of(document: t.Mapping[str, t.Any], origin: str = "") -> list[Workload]:
    """The workloads of one object, of whatever kind: each pod template in it.

    :raises ValueError: it has no name, or is not rendered.
    """
    kind = str(document["kind"])
    metadata = _mapping(document.get("metadata"))
    name = metadata.get("name") or metadata.get("generateName")
    if kind in _NO_PODS:
        return []
    templates = list(_templates(document, kind))
    if not templates and _is_of_an_operator(document):
        templates = [((), {}, {})]
    wrong = "" if templates else _wrong_template(document, kind)
    if not templates and not wrong:
        return []
    if not isinstance(name, str):
        raise ValueError(f"{kind} without a name")
    if "{{" in name:
        raise ValueError(f"{kind} {name}: it is a template that is not rendered; give the output of helm template")
    if wrong:
        raise ValueError(f"{kind} {name}: {wrong}")
    return [
        Workload(
            api_version=str(document.get("apiVersion") or ""),
            kind=kind,
            namespace=str(metadata.get("namespace") or ""),
            name=name,
            path=path,
            metadata=template_metadata,
            spec=spec,
            origin=origin,
        )
        for path, template_metadata, spec in templates
    ]


def _wrong_template(document: t.Mapping[str, t.Any], kind: str) -> str:
    """What is wrong with the template of a kind that every API server has; nothing for a patch, which has a part of it."""
    if kind not in BUILT_IN or _group(document) not in ("", "apps", "batch", "extensions"):
        return ""
    is_whole = kind == "Pod" or "selector" in _mapping(document.get("spec"))
    path = (*BUILT_IN[kind].template, "spec", "containers")
    value: t.Any = document
    for depth, step in enumerate(path):
        where = ".".join(path[: depth + 1])
        if step not in value:
            return f"{where} is missing" if is_whole else ""
        value = value[step]
        if step == "containers":
            break
        if not isinstance(value, dict):
            return f"{where} is no mapping"
    if not isinstance(value, list) or not value:
        return f"{where} is {'empty' if value == [] else 'no list'}"
    for index, one in enumerate(value):
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            return f"{where}[{index}] {'has no name' if isinstance(one, dict) else 'is no mapping'}"
    return f"{where}: none has an image" if is_whole else ""


_Template: t.TypeAlias = "tuple[tuple[str | int, ...], t.Mapping[str, t.Any], t.Mapping[str, t.Any]]"


def _templates(document: t.Mapping[str, t.Any], kind: str) -> collections.abc.Iterator[_Template]:
    """Each pod template of an object: where it is, its metadata, and its spec with the volumes of its claims."""
    if kind == "Pod":
        metadata, spec = document.get("metadata") or {}, document.get("spec") or {}
        if isinstance(spec, dict):
            yield (), metadata, spec
        return
    if _group(document) == "argoproj.io" and kind in _OF_ARGO:
        yield from _of_argo(document, kind)
        return
    # of all kinds, Knative's alone let containers be without a name
    has_names = _group(document) != "serving.knative.dev"
    # a runtime of KServe is a pod's spec; in others, containers there are changes to those of an operator
    is_bare = _group(document) == "serving.kserve.io"
    stack: list[tuple[tuple[str | int, ...], t.Any]] = [(("spec",), document.get("spec"))]
    while stack:
        path, value = stack.pop()
        if len(path) > _MAX_DEPTH:
            continue
        if isinstance(value, list):
            stack += [((*path, index), each) for index, each in reversed(list(enumerate(value)))]
        elif isinstance(value, dict):
            spec = value.get("spec")
            if isinstance(spec, dict) and not has_names:
                spec = _with_names(spec)
            if isinstance(spec, dict) and _is_pod_spec(spec):
                yield path, _mapping(value.get("metadata")), _with_claims(spec, document)
            elif _is_pod_spec(value) and (path[-1:] != ("spec",) or is_bare):
                # custom resources that hold a bare spec
                yield path, {}, value
            else:
                stack += [((*path, str(key)), each) for key, each in reversed(value.items())]


def _of_argo(document: t.Mapping[str, t.Any], kind: str) -> collections.abc.Iterator[_Template]:
    """The pods of a workflow of Argo: each of its templates that runs containers is one."""
    path: tuple[str | int, ...] = ("spec", "workflowSpec") if kind == "CronWorkflow" else ("spec",)
    flow: t.Any = document
    for field in path:
        flow = _mapping(flow.get(field))
    for at, one in enumerate(_list(flow.get("templates"))):
        template = _mapping(one)
        containers = _list(_mapping(template.get("containerSet")).get("containers"))
        containers = containers or [
            {"name": "main", **template[form]} for form in ("container", "script") if _mapping(template.get(form))
        ]
        if containers:
            spec = {
                **{name: template[name] for name in ("initContainers", "securityContext") if name in template},
                "containers": [*containers, *_list(template.get("sidecars"))],
                "volumes": [*_list(flow.get("volumes")), *_list(template.get("volumes"))],
            }
            yield (*path, "templates", at), _mapping(template.get("metadata")), _with_claims(spec, document)


def _mapping(value: t.Any) -> t.Mapping[str, t.Any]:
    return value if isinstance(value, dict) else {}


def _list(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else []


def _is_pod_spec(value: t.Mapping[str, t.Any]) -> bool:
    containers = value.get("containers")
    return (
        isinstance(containers, list)
        and bool(containers)
        and all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in containers)
        and any("image" in one for one in containers)
    )


def _group(document: t.Mapping[str, t.Any]) -> str:
    """The API group of an object; empty for the core's."""
    return str(document.get("apiVersion") or "").rpartition("/")[0]


def _is_of_an_operator(document: t.Mapping[str, t.Any]) -> bool:
    """Whether a custom resource says something about pods, though it has no template of them."""
    group = _group(document)
    if "." not in group or group.endswith(_GROUPS_WITHOUT_PODS):
        return False
    left = [(0, document.get("spec"))]
    while left:
        depth, value = left.pop()
        if depth > _MAX_DEPTH:
            continue
        if isinstance(value, dict):
            resources = value.get("resources")
            requested = isinstance(resources, dict) and not resources.keys().isdisjoint(("limits", "requests"))
            if requested or not _OF_OPERATORS.isdisjoint(value):
                return True
            left += [(depth + 1, each) for each in value.values()]
        elif isinstance(value, list):
            left += [(depth + 1, each) for each in value]
    return False


def _with_names(spec: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
    """A pod's spec with the names that Knative gives to containers that have none."""
    containers = spec.get("containers")
    if not isinstance(containers, list):
        return spec
    names = ["user-container"] if len(containers) == 1 else [f"user-container-{at}" for at in range(len(containers))]
    named = [
        {"name": name, **one} if isinstance(one, dict) else one for name, one in zip(names, containers, strict=True)
    ]
    return {**spec, "containers": named}


def _with_claims(spec: t.Mapping[str, t.Any], document: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
    """A pod's spec with the volumes that a StatefulSet adds."""
    claims = _list(_mapping(document.get("spec")).get("volumeClaimTemplates"))
    if not isinstance(spec.get("volumes") or [], list):
        return spec
    names = [str((one.get("metadata") or {}).get("name")) for one in claims if isinstance(one, dict)]
    volumes = [{"name": name, "persistentVolumeClaim": {}} for name in names]
    return {**spec, "volumes": [*(spec.get("volumes") or ()), *volumes]} if volumes else spec
