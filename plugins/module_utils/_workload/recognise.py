# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Which programs a container runs, in which release and with which settings, and how that is known (pure)."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import parse_bytes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import TextEnum
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Marks,
    Need,
    Program,
    Sure,
    Uses,
    Values,
    Version,
    pattern,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.shape import ContainerShape, PodShape

#: Pods say with these annotations what they run and need; C(KEY.CONTAINER) is for one container. They win.
PROGRAM: t.Final = "podshm.abcdesktop.io/program"
NEEDS: t.Final = "podshm.abcdesktop.io/needs"


class AnnotationError(ValueError):
    """An annotation of podshm says what cannot be read."""


class By(TextEnum):
    """What a program was recognised by, the surest first."""

    ANNOTATION = "annotation"
    OPERATOR = "label"
    COMMAND = "command"
    IMAGE = "image"
    VARIABLES = "variables and port"

    @property
    def sure(self) -> Sure:
        """How sure that is."""
        return Sure.LIKELY if self in (By.IMAGE, By.VARIABLES) else Sure.CERTAIN


@dataclasses.dataclass(frozen=True)
class Recognised:
    """A program that a container runs."""

    program: Program
    by: By
    version: Version
    values: Values

    def needs(self) -> list[Need]:
        """What this run of it needs."""
        return [need for need in self.program.needs if need.applies(self.values, self.version)]


@dataclasses.dataclass(frozen=True)
class Stated:
    """What a pod says itself that a container needs.

    :param across: the containers that share by it.
    """

    uses: Uses
    size_bytes: int
    across: tuple[str, ...] = ()


def recognised(pod: PodShape, container: ContainerShape, programs: t.Sequence[Program]) -> list[Recognised]:
    """The programs that a container runs, as far as its pod shows them.

    :raises AnnotationError: its annotation names a program that is not in the catalog.
    """
    names = _annotated(pod, container, PROGRAM)
    if names is not None:
        by_name = {program.name: program for program in programs}
        unknown = [name for name in names if name not in by_name]
        if unknown:
            raise AnnotationError(
                f"annotation {PROGRAM}: there is no program {unknown[0]}; there are {', '.join(sorted(by_name))}"
            )
        found = [(by_name[name], By.ANNOTATION) for name in names]
    else:
        found = [(program, by) for program in programs if (by := _seen(program.marks, pod, container))]
    return [
        Recognised(program, by, _version(program.marks, container), values(program, container)) for program, by in found
    ]


def require_placed(pod: PodShape) -> None:
    """Look at the annotations of a pod that name a container.

    :raises AnnotationError: there is no container of the name.
    """
    names = {one.name for one in pod.containers}
    for annotation in pod.annotations:
        for key in (PROGRAM, NEEDS):
            container = annotation.removeprefix(f"{key}.")
            if container != annotation and container not in names:
                raise AnnotationError(
                    f"annotation {annotation}: there is no container {container}; there are {', '.join(sorted(names))}"
                )


def stated(pod: PodShape, container: ContainerShape) -> list[Stated] | None:
    """What the pod's annotation says that a container needs; None where it says nothing.

    V(posix_shm=2Gi), V(sysv_shm across=a,b): several are separated by semicolons, and C(nothing) is none.

    :raises AnnotationError: it cannot be read.
    """
    texts = _annotated(pod, container, NEEDS, ";")
    return None if texts is None else [_stated(text, pod) for text in texts if text != "nothing"]


def _stated(text: str, pod: PodShape) -> Stated:
    head, *rest = text.split()
    name, _equals, size = head.partition("=")
    try:
        uses = {"posix_shm": Uses.DEV_SHM, "posix_sem": Uses.DEV_SHM}.get(name) or Uses(name)
        size_bytes = parse_bytes(size) if size else 0
    except ValueError as error:
        raise AnnotationError(f"annotation {NEEDS}: {text!r}: {error}") from None
    across: tuple[str, ...] = ()
    for word in rest:
        key, _equals, value = word.partition("=")
        if key != "across":
            raise AnnotationError(f"annotation {NEEDS}: {text!r}: write for example sysv_shm across=a,b")
        across = tuple(filter(None, value.split(",")))
        missing = set(across) - {one.name for one in pod.containers}
        if missing:
            raise AnnotationError(f"annotation {NEEDS}: {text!r}: there is no container {min(missing)}")
    return Stated(uses, size_bytes, across)


def _annotated(pod: PodShape, container: ContainerShape, key: str, separator: str = ",") -> list[str] | None:
    text = pod.annotations.get(f"{key}.{container.name}")
    if text is None and container.starts == "main":
        # of a pod with several containers, the first is meant
        text = pod.annotations.get(key) if container.name == pod.main.name else None
    return None if text is None else [word for each in text.split(separator) if (word := each.strip())]


def basename(image: str) -> str:
    """The last part of an image's name, without tag and digest, in lower case."""
    return _without_tag(image).rpartition("/")[2].lower()


def _with_folder(image: str) -> str:
    """The last two parts of an image's name, in lower case."""
    return "/".join(_without_tag(image).lower().split("/")[-2:])


def _without_tag(image: str) -> str:
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def tag(image: str) -> str:
    """The tag of an image, or nothing."""
    name = image.partition("@")[0]
    return name[len(_without_tag(image)) + 1 :]


#: Longer command lines are scripts, which are slow to match.
_MAX_COMMAND: t.Final = 16 * 1024

_SHELL: t.Final = r"(\S*/)?(ba|da|a|k|z)?sh(\s+-\S+)*"

#: What any image can be started with that is not its program: a tool, a shell to work in, a script that says what it does.
_TOOLS: t.Final = (
    rf"({_SHELL}\s+)?(set\s+-\S+[\s;&]+)*((\S*/)?(rm|chown|chmod|mkdir|cp|mv|ln|cat|echo|sleep|true|find|touch|tar|curl|wget|nc"
    r"|until|while|wait-for\S*|test|ls|install|tail|trap|crond?|supercronic)(\s|$)"
    r"|(\S{0,200}[/_.-])?(back-?up|restore|dump|migrat|seed|clean-?up|archive|create|import|export|check|vacuum"
    r"|init[_-]?(db|data|user|schema))[\w.-]{0,80}\.(sh|bash|py|pl|rb)(\s|$))"
    rf"|{_SHELL}\s*$"
)


def _seen(marks: Marks, pod: PodShape, container: ContainerShape) -> By | None:
    """What a container is recognised by, the surest; nothing if it is not."""
    name, command = basename(container.image), container.command[:_MAX_COMMAND]
    if marks.unless and pattern(marks.unless).fullmatch(name):
        return None
    if marks.command and pattern(marks.command).search(command):
        return By.COMMAND
    if any(has_label(pod.node_selector, label) for label in marks.nodes):
        return By.OPERATOR
    if marks.containers and any(has_label(pod.labels, label) for label in marks.labels):
        return By.OPERATOR if pattern(marks.containers).fullmatch(container.name) else None
    if marks.images and _has_image(marks.images, name, container.image):
        runs_else = _runs_else(marks, command) or (marks.is_server and pod.is_to_end and _is_replaced(command))
        return None if container.starts == "init" or runs_else else By.IMAGE
    if marks.own_env and any(pattern(marks.own_env).fullmatch(variable) for variable in container.env):
        return By.VARIABLES
    if marks.env and any(pattern(marks.env).fullmatch(variable) for variable in container.env):
        return By.VARIABLES if set(marks.ports) & set(container.ports) else None
    return None


def _has_image(images: str, name: str, image: str) -> bool:
    found = pattern(images).fullmatch(name)
    # some names mean something with the folder that they are in alone
    return bool(found or ("/" in images and pattern(images).fullmatch(_with_folder(image))))


def _is_replaced(command: str) -> bool:
    """Whether a command line is more than options for what the image starts."""
    return bool(command) and not command.startswith("-")


def _runs_else(marks: Marks, command: str) -> bool:
    """Whether a command line, which is not the program's, runs something else of its image."""
    return bool(
        pattern(_TOOLS).match(command) or (marks.unless_command and pattern(marks.unless_command).search(command))
    )


def has_label(labels: t.Mapping[str, str], label: str) -> bool:
    """Whether a pod has a label: V(key), V(key=value), or with a comma between them all of several."""
    pairs = [one.partition("=") for one in label.split(",")]
    return all(key in labels and (not equals or labels[key] == value) for key, equals, value in pairs)


def _version(marks: Marks, container: ContainerShape) -> Version:
    is_other = marks.unversioned and pattern(marks.unversioned).fullmatch(basename(container.image))
    if not marks.version or is_other:
        return ()
    match = pattern(marks.version).search(tag(container.image))
    return tuple(int(group) for group in match.groups() if group) if match else ()


#: Whole GPUs, or slices of them: their memory and cores are resources of other names (HAMi's nvidia.com/gpumem).
_GPUS: t.Final = re.compile(r"(nvidia|amd|intel)\.com/(gpu(\.shared)?|mig-.+)|gpu\.intel\.com/(i915|xe)")

_VARIABLE: t.Final = re.compile(r"\$(?:\((\w+)\)|\{(\w+)\}|(\w+))")


def values(program: Program, container: ContainerShape) -> Values:
    """The settings of a program as its container shows them. What cannot be read counts as the default."""
    numbers = {setting.name: setting.default for setting in program.settings}
    given: dict[str, str] = {}
    unread: set[str] = set()
    for setting in program.settings:
        counts = setting.image and not _is_replaced(container.command)
        by_image = pattern(setting.image).search(container.image) if counts else None
        texts: list[tuple[str, t.Any]] = [("image", by_image[1])] if by_image else []
        texts += [("environment", container.env[name]) for name in setting.env if container.env.get(name)]
        if setting.args and (match := pattern(setting.args).search(container.command)):
            texts.append(("arguments", match[1]))
        for where, text in texts:
            try:
                numbers[setting.name] = setting.read(_expanded(str(text), container.env))
            except ValueError:
                unread.add(setting.name)
                continue
            given[setting.name] = where
    gpus = sum(count for name, count in container.resources.items() if _GPUS.fullmatch(name))
    return Values(numbers, given, container.memory_limit, gpus, frozenset(unread - given.keys()))


def _expanded(text: str, env: t.Mapping[str, str | None]) -> str:
    """A value that is a variable of the container: V($(NAME)) as Kubernetes has it, V($NAME) and V(${NAME}) as a shell."""
    match = _VARIABLE.fullmatch(text)
    return (env.get(match[1] or match[2] or match[3]) or text) if match else text
