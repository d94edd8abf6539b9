# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""What is known of a program: what it uses of shared memory, how much, how it is recognised (pure).

A program is data: one file in C(_programs). Sizes are in bytes.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import itertools
import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import memory_text, parse_bytes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import TextEnum

#: A release of a program, as far as it is known: (15, 3).
Version: t.TypeAlias = "tuple[int, ...]"

#: As C(since): of a need that counts only where the release is not known.
NOT_KNOWN: t.Final[Version] = (9999,)


class Uses(TextEnum):
    """What a program shares memory by. Only V(dev_shm) is bounded by the size of /dev/shm."""

    #: files in a folder, /dev/shm unless a setting says otherwise: POSIX shared memory and semaphores, mapped files
    DEV_SHM = "dev_shm"
    SYSV_SHM = "sysv_shm"
    SYSV_SEM = "sysv_sem"
    SYSV_MSG = "sysv_msg"
    POSIX_MQ = "posix_mq"
    #: anonymous: bounded by memory alone
    MEMFD = "memfd"
    HUGE_PAGES = "huge_pages"


class Less(TextEnum):
    """What a program does where it has less than it needs."""

    #: it ends, or some of what it is for does not work
    FAILS = "fails"
    #: it takes another way, which is slower or loses something
    DEGRADES = "degrades"
    #: it takes another way, which nobody notices
    ADAPTS = "adapts"


@dataclasses.dataclass(frozen=True)
class Term:
    """One addend of a size, with the computation in words."""

    words: str
    size_bytes: int


@dataclasses.dataclass(frozen=True)
class Amount:
    """A size as the sum of its terms."""

    terms: tuple[Term, ...]

    @classmethod
    def of(cls, *terms: tuple[str, int]) -> Amount:
        """The sum of what is given as words and bytes."""
        return cls(tuple(Term(words, size) for words, size in terms))

    @property
    def size_bytes(self) -> int:
        """The sum."""
        return sum(term.size_bytes for term in self.terms)

    def text(self) -> str:
        """The computation: V(16Mi at rest + 24Mi for a join = 40Mi)."""
        addends = " + ".join(f"{rounded_text(term.size_bytes)} {term.words}" for term in self.terms)
        return addends if len(self.terms) == 1 else f"{addends} = {rounded_text(self.size_bytes)}"

    @classmethod
    def sum(cls, amounts: collections.abc.Iterable[Amount]) -> Amount:
        """Several amounts as one, with all their terms."""
        return cls(tuple(itertools.chain.from_iterable(amount.terms for amount in amounts)))


def rounded_text(size_bytes: int) -> str:
    """A size for people: exact where it is a whole number of MiB, else in MiB, rounded up."""
    mebibytes = -(-size_bytes // 1024**2)
    return memory_text(mebibytes * 1024**2) if size_bytes >= 1024**2 else memory_text(size_bytes)


@functools.lru_cache(maxsize=2048)
def pattern(text: str) -> re.Pattern[str]:
    """A pattern of a program, which is found without regard to case."""
    return re.compile(text, re.IGNORECASE)


def count(text: str) -> int:
    """A whole number that is not negative, as V(8)."""
    if not re.fullmatch(r"\s*[0-9]{1,18}\s*", text):
        raise ValueError(f"not a whole number: {text[:20]!r}")
    return int(text)


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting of the program that a size depends on, and where a pod shows it.

    :param args: finds it in the command line; its one group is the value.
    :param env: the names of environment variables that hold it.
    :param image: finds it in the image with its tag, which has the setting in its own start script; its one group is the
        value. With a command line that is more than options, it does not count.
    :param read: makes a number of its text; a ValueError is one that cannot be read.
    """

    name: str
    default: int
    args: str = ""
    env: tuple[str, ...] = ()
    read: collections.abc.Callable[[str], int] = count
    image: str = ""


def option(*names: str) -> str:
    """A pattern for options of a command line with their value: V(--name value), V(--name=value), V(--name="value")."""
    words = "|".join(name[:2] + re.sub("[-_]", "[-_]", name[2:]) for name in names)
    return rf"(?:^|\s)(?:{words})(?:\s+|=)[\"']?([^\s\"',]+)"


#: Words before a program's name that start it, with their options.
_STARTS: t.Final = (
    r"\A(?:[A-Za-z_]\w*=\S*\s+)*|[\n;&|(]\s*(?:[A-Za-z_]\w*=\S*\s+)*"
    r"|\b(?:exec|then|do|else|nohup|timeout|tini|dumb-init|catatonit|env|nice|time|numactl|xvfb-run|(?:ba|da|a|z|k)?sh"
    r"|entrypoint(?:\.sh)?)\s+(?:(?:-\S*|[A-Za-z_]\w*=\S*|\d\S*)\s+)*"
    r"|\b(?:gosu|su-exec)\s+\S+\s+|\b(?:sudo|runuser)\s+(?:-u\s+\S+\s+)?(?:--\s+)?"
)


def runs(words: str) -> str:
    """A pattern for a command line that starts one of these, in any folder: not one that only has it as an argument.

    Most command lines have none of the words, and are done with when these were looked for.
    """
    has_them = rf"(?=[\s\S]*?(?:{words}))"
    return rf"(?:\A{has_them}[\s\S]*?(?:{_STARTS})[\"']?(?:[\w./+-]{{0,200}}/)?(?:{words})(?=[\s;&|)\"']|$))"


def flag(text: str) -> int:
    """A setting that is on or off, as a number: V(1) or V(0)."""
    return int(text.strip().lower() not in ("", "0", "no", "off", "false"))


def bytes_in(unit: int, units: str = "kMGT", thousands: bool = False) -> collections.abc.Callable[[str], int]:
    """Reads an amount of memory as programs write it (V(64MB), V(2g), V(512)); one without a unit counts so many bytes.

    :param thousands: units are powers of 1000, unless they say V(i).
    """

    def read(text: str) -> int:
        match = re.fullmatch(
            rf"([0-9]{{1,18}})\s*(?:([{units}{units.lower()}{units.upper()}])(i?)[bB]?|([bB]))?", text.strip("\"' ")
        )
        if not match:
            raise ValueError(f"not an amount of memory: {text!r}")
        if not match[2]:
            return int(match[1]) * (1 if match[4] else unit)
        base = 1000 if thousands and not match[3] else 1024
        return int(int(match[1]) * base ** (units.lower().index(match[2].lower()) + 1))

    return read


#: A Kubernetes quantity.
quantity: t.Final = parse_bytes


@dataclasses.dataclass(frozen=True)
class Values:
    """The settings of one container: what the pod shows, and defaults for the rest.

    :param given: where each was read that is not the default.
    :param memory_bytes: the memory limit of the container, None where it has none.
    :param unread: those that the pod sets to what cannot be read, as a variable of a shell.
    """

    numbers: t.Mapping[str, int]
    given: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    memory_bytes: int | None = None
    gpus: int = 0
    unread: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> int:
        return self.numbers[name]


#: None where it depends on what the pod does not show, as a memory limit that it has not.
Formula: t.TypeAlias = "collections.abc.Callable[[Values], Amount | None]"


def always(_values: Values) -> bool:
    """The condition of a need that every run has."""
    return True


def no_least(_values: Values) -> Amount:
    """The least of a need of which the pod shows too little to be sure of any size: only what is busy counts."""
    return Amount.of()


@dataclasses.dataclass(frozen=True)
class Need:
    """What a program needs of one mechanism.

    :param words: what for, in a few words.
    :param size: how much each use of it takes, and by which computation; nothing where only the mechanism counts.
    :param busy: how much many users at a time take.
    :param less: what it does with less; C(symptom) says it in a clause.
    :param across: whether containers of a pod share by it, with each other.
    :param when: of the settings: whether this run needs it at all.
    :param since: the first release that needs it; C(until) the first that does not any more.
    """

    uses: Uses
    words: str
    size: Formula | None = None
    busy: Formula | None = None
    less: Less = Less.FAILS
    symptom: str = ""
    across: bool = False
    when: collections.abc.Callable[[Values], bool] = always
    since: Version = ()
    until: Version = ()

    def applies(self, values: Values, version: Version) -> bool:
        """Whether this run of a program needs it. A release that is not known counts as the newest."""
        if version and (version < self.since or (self.until and version >= self.until)):
            return False
        return bool(version or not self.until) and self.when(values)

    def takes(self, values: Values) -> tuple[Amount, Amount] | None:
        """How much one use of it takes, and many at a time; None where no size is known."""
        least = self.size(values) if self.size else None
        return None if least is None else (least, (self.busy and self.busy(values)) or least)


@dataclasses.dataclass(frozen=True)
class Marks:
    """How a container that runs the program is recognised. Patterns are matched without regard to case.

    An image or a command decides alone; a label of an operator decides together with a container's name, and then other
    containers of the pod are not it by their image; variables decide together with a port.

    :param images: the last part of the image's name, without tag and digest, as a whole.
    :param unless: images that are something else.
    :param command: somewhere in command and arguments.
    :param unless_command: somewhere in command and arguments: the image then runs something else, as a client or a backup.
    :param env: names of variables, as a whole; C(own_env) are those that nothing else has, which decide alone.
    :param labels: of the pod: V(key), V(key=value), or with a comma between them all of several.
    :param containers: names of the containers that run it in such a pod.
    :param nodes: labels of nodes that the pod selects: V(key) or V(key=value).
    :param is_server: in a pod that is to end, a command that is not its own runs something else of its image.
    :param version: finds the release in the image's tag: groups of digits.
    :param unversioned: images, as above, whose tags have the release of something else.
    """

    images: str = ""
    unless: str = ""
    command: str = ""
    unless_command: str = ""
    env: str = ""
    own_env: str = ""
    ports: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    containers: str = ""
    nodes: tuple[str, ...] = ()
    is_server: bool = False
    version: str = ""
    unversioned: str = ""


@dataclasses.dataclass(frozen=True)
class Knob:
    """The value of an operator or a chart that sizes /dev/shm. A patch of the pods would be reverted.

    :param labels: of the pod, by which the owner is known, as in :class:`Marks`.
    :param kinds: of the owners of the pod, up to the top, by which it is known.
    :param set: what to write, with C({size}); nothing where the owner has no such value, which C(words) explains.
    :param mounts: whether the owner mounts a volume on /dev/shm in pods that it creates, where its template has none.
    """

    owner: str
    words: str
    labels: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    set: str = ""
    mounts: bool = False


@dataclasses.dataclass(frozen=True)
class Workaround:
    """A setting that avoids /dev/shm, what that costs, and what to do instead.

    :param until: the first release that it costs nothing, as there is nothing to avoid.
    """

    pattern: str
    words: str
    costs: str
    fix: str
    until: Version = ()


class Sure(TextEnum):
    """How sure it is that a line is about shared memory."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


@dataclasses.dataclass(frozen=True)
class Sign:
    """Words of a log that tell of shared memory.

    :param pattern: found in a line without regard to case; a group C(bytes) is the size that was missing.
    :param cause: in a clause; C(fix) is the first thing to do.
    :param checks: the checks that it leans on.
    """

    pattern: str
    sure: Sure
    cause: str
    fix: str
    checks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Program:
    """A program with known needs of shared memory; one without needs is known to need nothing.

    :param name: its id, as in annotations.
    :param sysctls: the least values of IPC sysctls, by name.
    :param one_user: whether all its processes that share must have one uid.
    :param one_pid_namespace: whether containers that share need C(shareProcessNamespace).
    :param across_pods: whether it shares with the node or with other pods of it by design, so that hostIPC is no mistake.
    :param is_library: whether it is a part of programs: a container of which only this is seen is not known as a whole.
    :param sources: addresses, or what was measured.
    """

    name: str
    title: str
    marks: Marks
    needs: tuple[Need, ...] = ()
    settings: tuple[Setting, ...] = ()
    sysctls: t.Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    one_user: bool = False
    one_pid_namespace: bool = False
    across_pods: bool = False
    is_library: bool = False
    knobs: tuple[Knob, ...] = ()
    workarounds: tuple[Workaround, ...] = ()
    signs: tuple[Sign, ...] = ()
    sources: tuple[str, ...] = ()
