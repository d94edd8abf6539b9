# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What admission did: the pod that the API server stored, compared with the requested one (pure).

Admission can change a pod before it is stored: a LimitRange sets limits, a policy or a webhook anything. Sizes are then
those of the stored pod, and an unexpected verdict has its cause there.
"""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _pod
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.errors import describe
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import (
    memory_text,
    parse_bytes,
    parse_millis,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason, quote
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.manifests import PROBE

#: A Pod object.
Pod: t.TypeAlias = "t.Mapping[str, t.Any]"

#: What of a pod's spec decides who shares memory with whom, and its value where it is left out.
_FIELDS: t.Final[dict[str, t.Any]] = {
    "restartPolicy": "Always",
    "hostIPC": False,
    "hostPID": False,
    "hostUsers": True,
    "shareProcessNamespace": False,
    "runtimeClassName": None,
}


def container_limits(pod: Pod) -> dict[str, int | None]:
    """The memory limit of each container in bytes, or None where it has none."""
    return {name: _pod.memory_of(container) for name, container in _containers(pod["spec"]).items()}


def unknown(requested: Pod, stored: Pod) -> list[str]:
    """What of a pod decides who shares memory with whom, and is not stored: the API server drops what it does not know.

    So does one whose feature gate is off, and an admission webhook that is older than the field.
    """
    one, other = requested["spec"], stored["spec"]
    found = [] if one.get("hostUsers") is None or "hostUsers" in other else ["hostUsers"]
    there = _containers(other)
    for container in one.get("initContainers") or ():
        if "restartPolicy" in container and "restartPolicy" not in there.get(container["name"], container):
            found.append(f"restartPolicy of the init container {container['name']}")
    return found


def require_known(requested: Pod, stored: Pod) -> None:
    """Raise Inconclusive (FeatureGateOff) if the stored pod is another one without a field that is not known."""
    dropped = unknown(requested, stored)
    if dropped:
        words = f"the API server drops {', '.join(dropped)}: it does not know that, or its gate is off"
        raise Inconclusive(Reason.FEATURE_GATE_OFF, words, describe(stored))


def changes(requested: Pod, stored: Pod, containers: t.Collection[str]) -> list[str]:
    """What the cluster changed of what the checks in these containers are about, each in words.

    V(volume sized: medium Memory -> none). What the API server fills in or does not know (:func:`unknown`), and
    containers, tolerations or mounts that are added elsewhere, are no changes.
    """
    one, other = requested["spec"], stored["spec"]
    here, there = _containers(one), _containers(other)
    if not here.keys() & set(containers):
        return []
    dropped = unknown(requested, stored)
    found = [
        _change(name, *(spec.get(name, usual) for spec in (one, other)))
        for name, usual in _FIELDS.items()
        if name not in dropped
    ]
    found += _demanded_changes(one, other)
    found.append(_change("pod memory limit", _amount(_pod.memory_of(one)), _amount(_pod.memory_of(other))))
    found.append(_change("fsGroup", *_groups(one, other)))
    before, after = _sysctls(one), _sysctls(other)
    found += [_change(f"sysctl {name}", before.get(name), after.get(name)) for name in sorted({*before, *after})]
    volumes: dict[str, None] = {}
    for name in containers:
        # an ephemeral container is in neither of them
        if name not in here:
            continue
        if name not in there:
            found.append(f"container {name} is not there")
            continue
        texts = (*_container_changes(here[name], there[name]), *_security_changes(one, other, name))
        found += [f"container {name}: {text}" for text in texts if text]
        volumes |= dict.fromkeys(mount["name"] for mount in here[name].get("volumeMounts") or ())
    kept = {volume["name"]: volume for volume in other.get("volumes") or ()}
    for volume in one.get("volumes") or ():
        if volume["name"] in volumes:
            found += [
                f"volume {volume['name']}: {text}" for text in _volume_changes(volume, kept.get(volume["name"])) if text
            ]
    return [text for text in found if text]


def taken(requested: Pod, stored: Pod, containers: t.Collection[str]) -> str:
    """What the cluster took away that sets a pod or these containers apart from others, in words: nothing is left to measure of it."""
    one, other = requested["spec"], stored["spec"]
    here, there = _containers(one), _containers(other)
    if not here.keys() & set(containers):
        return ""
    found = [
        _change(name, one[name], other.get(name, _FIELDS[name]))
        for name in ("hostUsers", "shareProcessNamespace")
        if name in one
    ]
    found.append(_change("fsGroup", *_groups(one, other)))
    after = _sysctls(other)
    found += [_change(f"sysctl {name}", value, after.get(name)) for name, value in _sysctls(one).items()]
    was, now = _users(one), _users(other)
    for name in containers:
        if name in here and name in there:
            found += [
                f"container {name}: {text}"
                for text in (
                    _change("runAsUser", 0, now[name]) if was[name] == 0 else "",
                    *(f"capability {one} taken" for one in sorted(_added_to(here[name]) - _added_to(there[name]))),
                )
                if text
            ]
    return ", ".join(filter(None, found))


def _groups(one: t.Mapping[str, t.Any], other: t.Mapping[str, t.Any]) -> tuple[t.Any, t.Any]:
    """The group that one spec names, and that of the other; a group that is left to the cluster is no change."""
    before, after = ((spec.get("securityContext") or {}).get("fsGroup") for spec in (one, other))
    return before, before and after


def _demanded_changes(requested: t.Mapping[str, t.Any], stored: t.Mapping[str, t.Any]) -> list[str]:
    """What the cluster changed of what an option names; what it gives to pods without it is no change here."""
    named = ("priorityClassName", "serviceAccountName")
    found = [_change(name, requested[name], stored.get(name)) for name in named if requested.get(name)]
    before, after = ([one["name"] for one in spec.get("imagePullSecrets") or ()] for spec in (requested, stored))
    if not set(before) <= set(after):
        found.append(_change("image pull secrets", ", ".join(before), ", ".join(after) or None))
    return found


#: What of a pod's spec decides where and when it runs, and its value where it is left out.
_PLACING: t.Final[dict[str, t.Any]] = {
    "nodeSelector": None,
    "nodeName": None,
    "affinity": None,
    "schedulerName": "default-scheduler",
    "priorityClassName": None,
    "activeDeadlineSeconds": None,
    "serviceAccountName": "default",
    "hostNetwork": False,
}


def placing_changes(requested: Pod, stored: Pod) -> list[str]:
    """What the cluster changed that decides whether and where a pod runs, in words; it shares and sizes no memory."""
    one, other = requested["spec"], stored["spec"]
    found = [_change(name, *(spec.get(name) or usual for spec in (one, other))) for name, usual in _PLACING.items()]
    gates = [", ".join(gate["name"] for gate in spec.get("schedulingGates") or ()) or None for spec in (one, other)]
    found.append(_change("scheduling gates", *gates))
    spread = [
        ", ".join(each["topologyKey"] for each in spec.get("topologySpreadConstraints") or ()) or None
        for spec in (one, other)
    ]
    found.append(_change("topology spread over", *spread))
    tolerated = [_tolerations(spec) for spec in (one, other)]
    found += [
        _change(f"toleration of {key}", *(key in each or None for each in tolerated)) for key in _differ(*tolerated)
    ]
    here, there = _containers(one), _containers(other)
    changed: dict[str, list[str]] = {}
    for name, container in there.items():
        if name not in here:
            found.append(f"container {name} added")
            continue
        before = here[name]
        texts = [
            *(_change(name, *(each.get(name) for each in (before, container))) for name in _OF_CONTAINERS),
            *(_change(name, *(bool(each.get(name)) for each in (before, container))) for name in _HOOKS),
            ""
            if before.get("command") == container.get("command")
            else _change("command", *_begins(before, container)),
            *_resource_changes(before, container),
        ]
        for text in filter(None, texts):
            changed.setdefault(text, []).append(name)
    # each container has another amount
    found.append(
        _change("requests memory of all containers", *(_amount(_requested(spec, here)) for spec in (one, other)))
    )
    volumes = {each["name"] for each in one.get("volumes") or ()}
    # Kubernetes itself adds the token
    added = [
        each["name"]
        for each in other.get("volumes") or ()
        if each["name"] not in volumes and not each["name"].startswith("kube-api-access")
    ]
    found.append(f"volume{'s' * (len(added) > 1)} {', '.join(added)} added" if added else "")
    # a policy about images or CPU is about all of them
    found += [f"container{'s' * (len(names) > 1)} {', '.join(names)}: {text}" for text, names in changed.items()]
    return [text for text in found if text]


#: What of a container decides whether it runs; and what can end it, of which it matters that it is there.
_OF_CONTAINERS: t.Final = ("image", "imagePullPolicy", "restartPolicy")
_HOOKS: t.Final = ("livenessProbe", "startupProbe", "lifecycle")


def _begins(*containers: t.Mapping[str, t.Any]) -> list[str | None]:
    """The first word of each command."""
    return [next(iter(each.get("command") or ()), None) for each in containers]


def _requested(spec: t.Mapping[str, t.Any], names: t.Container[str]) -> int:
    """How much memory these containers request, in bytes."""
    amounts = [
        ((one.get("resources") or {}).get("requests") or {}).get("memory", 0)
        for name, one in _containers(spec).items()
        if name in names
    ]
    return sum(map(parse_bytes, amounts))


def _resource_changes(requested: t.Mapping[str, t.Any], stored: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Requests and limits that are others, of all but memory."""
    for kind in ("requests", "limits"):
        before, after = ((each.get("resources") or {}).get(kind) or {} for each in (requested, stored))
        for name in dict.fromkeys((*before, *after)):
            if name != "memory" and not _equal(before.get(name), after.get(name)):
                yield _change(f"{kind} {name}", *(_quantity(name, each.get(name)) for each in (before, after)))


def _equal(one: str | None, other: str | None) -> bool:
    """Whether two quantities are one amount."""
    if one is None or other is None:
        return one is other
    return parse_millis(one) == parse_millis(other)


def _quantity(name: str, amount: str | None) -> str | None:
    """An amount as it is read best."""
    return _amount(parse_bytes(amount)) if amount and name == "ephemeral-storage" else amount


#: Tolerations that Kubernetes gives to every pod.
_USUAL_TOLERATIONS: t.Final = "node.kubernetes.io/"


def _tolerations(spec: t.Mapping[str, t.Any]) -> set[str]:
    return {str(one.get("key", "everything")) for one in spec.get("tolerations") or ()}


def _differ(one: set[str], other: set[str]) -> list[str]:
    return sorted(key for key in one ^ other if not key.startswith(_USUAL_TOLERATIONS))


def changed_users(requested: Pod, stored: Pod, containers: t.Collection[str]) -> t.Iterator[tuple[str, bool]]:
    """Pairs of containers whose users the cluster made equal or different, in words, and whether they became equal."""
    before, after = _users(requested["spec"]), _users(stored["spec"])
    names = [name for name in dict.fromkeys(containers) if name in before and name in after]
    for one, other in itertools.combinations(names, 2):
        was, now = before[one] == before[other], after[one] == after[other]
        if was != now:
            yield ", ".join(f"{name} {before[name]} -> {after[name]}" for name in (one, other)), now


def require_deadline(requested: Pod, stored: Pod, seconds: float) -> None:
    """Raise Inconclusive (AnchorChanged) if the stored anchor would not remove the run of a killed process, or too early.

    A suspended Job has no deadline that runs (Kueue suspends the Jobs of a namespace).

    :param seconds: how long the run takes at most.
    """
    wanted, spec = requested["spec"], stored["spec"]
    found = [_change("suspend", False, bool(spec.get("suspend")))]
    for field in ("activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        given = spec.get(field)
        if given is None or given > wanted[field]:
            found.append(_change(field, wanted[field], given))
    _require_unchanged([text for text in found if text], stored)
    field = "activeDeadlineSeconds"
    if spec[field] < min(seconds, wanted[field]):
        words = f"the cluster changed it: {_change(field, wanted[field], spec[field])}; it would remove the run before its end"
        raise Inconclusive(Reason.ANCHOR_CHANGED, words, describe(stored))


def require_owner(requested: Pod, stored: Pod) -> None:
    """Raise Inconclusive (AnchorChanged) if a stored object would not go with the anchor."""
    owners = [{one["uid"] for one in each["metadata"].get("ownerReferences") or ()} for each in (requested, stored)]
    _require_unchanged([] if owners[0] <= owners[1] else ["ownerReferences taken away"], stored)


def _require_unchanged(found: list[str], stored: Pod) -> None:
    if found:
        detail = f"the cluster changed it: {', '.join(found)}; nothing would remove the run if this process were killed"
        raise Inconclusive(Reason.ANCHOR_CHANGED, detail, describe(stored))


def user(pod: Pod) -> int | None:
    """The user of a pod's first container of ours; None is that of its image. An injected container can come before it."""
    ours = [one for one in pod["spec"]["containers"] if PROBE in (one.get("command") or ())]
    return next(iter(_users({**pod["spec"], "initContainers": (), "containers": ours}).values()), None)


def _users(spec: t.Mapping[str, t.Any]) -> dict[str, int | None]:
    """The user of each container; None is that of its image."""
    usual = (spec.get("securityContext") or {}).get("runAsUser")
    return {name: (one.get("securityContext") or {}).get("runAsUser", usual) for name, one in _containers(spec).items()}


def _change(name: str, before: t.Any, after: t.Any) -> str:
    """A difference in words, or nothing."""
    if before == after:
        return ""
    return f"{name} {' -> '.join('none' if value is None else _text(value) for value in (before, after))}"


def _text(value: t.Any) -> str:
    if isinstance(value, dict) and all(isinstance(one, str) for one in value.values()):
        value = ", ".join(f"{key}={one}" for key, one in value.items())
    return str(value).lower() if isinstance(value, bool) else quote(value)


def _amount(number: int | None) -> str | None:
    return None if number is None else memory_text(number)


def _sysctls(spec: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in (spec.get("securityContext") or {}).get("sysctls") or ()}


def _containers(spec: t.Mapping[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    return {one["name"]: one for kind in ("initContainers", "containers") for one in spec.get(kind) or ()}


def _container_changes(requested: dict[str, t.Any], stored: dict[str, t.Any]) -> list[str]:
    user, now = ((one.get("securityContext") or {}).get("runAsUser") for one in (requested, stored))
    before, after = _mounts(requested), _mounts(stored)
    return [
        _change("memory limit", _amount(_pod.memory_of(requested)), _amount(_pod.memory_of(stored))),
        # a user that is left to the cluster is no change
        "" if user is None else _change("runAsUser", user, now),
        *(_change(f"mount on {path}", before.get(path), after.get(path)) for path in (*before, *_added(before, after))),
    ]


#: What of a security context decides which calls the kernel refuses to a container; a pod can have it for all of them.
_PROFILES: t.Final = ("seccompProfile", "appArmorProfile", "seLinuxOptions")


def _security_changes(requested: t.Mapping[str, t.Any], stored: t.Mapping[str, t.Any], name: str) -> t.Iterator[str]:
    """What of a container's security was requested, and is another; what it left to the cluster is no change."""
    specs = (requested, stored)
    here, there = ((_containers(spec)[name].get("securityContext") or {}) for spec in specs)
    if not here:
        return
    usual, given = ((spec.get("securityContext") or {}) for spec in specs)
    for field in _PROFILES:
        before, after = here.get(field, usual.get(field)), there.get(field, given.get(field))
        if before or field == "appArmorProfile":
            yield _change(field, *(one and " ".join(map(str, one.values())) for one in (before, after)))
    if here.get("runAsNonRoot") is False:
        yield _change("runAsNonRoot", False, bool(there.get("runAsNonRoot", given.get("runAsNonRoot"))))
    yield _change("privileged", bool(here.get("privileged")), bool(there.get("privileged")))
    yield _change("capabilities", *(_capabilities(_containers(spec)[name]) for spec in specs))


def _capabilities(container: t.Mapping[str, t.Any]) -> str:
    """Which capabilities a container has, in words."""
    dropped = ((container.get("securityContext") or {}).get("capabilities") or {}).get("drop") or ()
    return " + ".join(("none" if "ALL" in dropped else "the runtime's", *sorted(_added_to(container))))


def _added_to(container: t.Mapping[str, t.Any]) -> set[str]:
    """The capabilities that a container adds."""
    return set(((container.get("securityContext") or {}).get("capabilities") or {}).get("add") or ())


def _mounts(container: dict[str, t.Any]) -> dict[str, str]:
    """Volume by path."""
    return {
        mount["mountPath"]: mount["name"] + (" (read-only)" if mount.get("readOnly") else "")
        for mount in container.get("volumeMounts") or ()
    }


def _added(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What is mounted where nothing was requested, and hides what the runtime puts there."""
    return [path for path in after if path not in before and path in ("/dev", "/dev/shm", "/dev/mqueue")]


def _volume_changes(requested: dict[str, t.Any], stored: dict[str, t.Any] | None) -> list[str]:
    if stored is None:
        return ["it is not there"]
    kind, now = _source(requested), _source(stored)
    if kind != now:
        return [_change("kind", kind, now)]
    before, after = requested[kind], stored[kind]
    return [
        _change("path", before.get("path"), after.get("path")),
        _change("medium", before.get("medium") or None, after.get("medium") or None),
        _change("sizeLimit", _size_limit(before), _size_limit(after)),
    ]


def _source(volume: dict[str, t.Any]) -> str:
    """C(emptyDir), C(hostPath) or another: the one field of a volume beside its name."""
    return next(field for field in volume if field != "name")


def _size_limit(source: dict[str, t.Any]) -> str | None:
    limit = source.get("sizeLimit")
    return None if limit is None else memory_text(parse_bytes(limit))
