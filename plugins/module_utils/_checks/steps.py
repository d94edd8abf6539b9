# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Steps that several checks take, as handles (pure)."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import FILL, SHM, Container, Inputs, Size, Step
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._probe.protocol import Scalar


def identity(container: Container, label: str = "", path: str = SHM) -> Step:
    """Who a container is: its user, namespaces and cgroup, and what is mounted on the path."""
    return Step(label or f"who_{container.name}", container, "identity", lambda i: {"path": path})


def identities(*containers: Container) -> tuple[Step, ...]:
    """The same of several containers."""
    return tuple(identity(container) for container in containers)


@dataclasses.dataclass(frozen=True)
class Segment:
    """A System V segment under a fixed key, created by one container and read by the other."""

    create: Step
    read: Step
    finish: Step

    @property
    def steps(self) -> tuple[Step, ...]:
        """In order."""
        return self.create, self.read, self.finish


def segment(creator: Container, reader: Container, mode: str = "0600") -> Segment:
    """A segment that both containers answer each other in."""
    return Segment(
        Step(
            "create",
            creator,
            "sysv_shm_create",
            lambda i: {"key": i.key, "size": 512, "mode": mode, "text": i.text},
        ),
        Step("read", reader, "sysv_shm_read", lambda i: {"key": i.key}),
        Step("finish", creator, "sysv_shm_finish"),
    )


def kept_segment(container: Container, label: str = "create") -> Step:
    """A segment that stays when its creator ends."""
    return Step(
        label,
        container,
        "sysv_shm_create",
        lambda i: {"key": i.key, "size": 512, "mode": "0600", "text": i.text, "keep": 1},
    )


@dataclasses.dataclass(frozen=True)
class SharedObject:
    """A POSIX shared memory object, created by one container and opened by the other."""

    put: Step
    get: Step
    drop: Step

    @property
    def steps(self) -> tuple[Step, ...]:
        """In order."""
        return self.put, self.get, self.drop


def put_object(
    container: Container,
    label: str = "put",
    mode: str = "0600",
    umask: str = "",
    size: Size = lambda sizes: 512,
    keep: bool = False,
    fill: bool = False,
    writes: Size | None = None,
) -> Step:
    """Create an object and write the nonce and the sentence into it.

    :param keep: it stays when its creator ends.
    :param fill: all of it is written.
    """

    def arguments(i: Inputs) -> t.Mapping[str, Scalar]:
        flags = {"umask": umask, "fill": "1" if fill else "", "keep": "1" if keep else ""}
        return {
            "name": i.name,
            "mode": mode,
            "size": size(i.sizes),
            "text": i.text,
            **{name: value for name, value in flags.items() if value},
        }

    return Step(label, container, "object_put", arguments, writes)


def public_object(container: Container, keep: bool = False) -> Step:
    """Create an object that every user has read and write access to."""
    return put_object(container, mode="0666", umask="0", keep=keep)


def get_object(container: Container, label: str = "get", write: bool = False, create: bool = False) -> Step:
    """Open an object and read it.

    :param write: open it for writing too, and write an answer.
    :param create: open it with O_CREAT.
    """
    flags: dict[str, Scalar] = {**({"create": 1} if create else {}), **({"write": 1} if write else {})}
    return Step(label, container, "object_get", lambda i: {"name": i.name, **flags})


def drop_object(container: Container, label: str = "drop", skip_if_killed: bool = False) -> Step:
    """Read the answer in an object and remove it."""
    return Step(label, container, "object_drop", lambda i: {"name": i.name}, skip_if_killed=skip_if_killed)


def shared_object(creator: Container, opener: Container, mode: str = "0600", umask: str = "022") -> SharedObject:
    """An object that both containers answer each other in."""
    return SharedObject(
        put_object(creator, mode=mode, umask=umask), get_object(opener, write=True), drop_object(creator)
    )


@dataclasses.dataclass(frozen=True)
class Queue:
    """A message queue, created by one container and read by the other."""

    create: Step
    send: Step
    receive: Step
    remove: Step

    @property
    def steps(self) -> tuple[Step, ...]:
        """In order."""
        return self.create, self.send, self.receive, self.remove


def sysv_queue(creator: Container, receiver: Container) -> Queue:
    """A System V message queue."""
    return Queue(
        Step("create", creator, "sysv_msg_create", lambda i: {"key": i.key, "mode": "0600"}),
        Step("send", creator, "sysv_msg_send", lambda i: {"key": i.key, "text": i.text}),
        Step("receive", receiver, "sysv_msg_receive", lambda i: {"key": i.key}),
        Step("remove", creator, "sysv_msg_remove"),
    )


def posix_queue(creator: Container, receiver: Container) -> Queue:
    """A POSIX message queue."""
    return Queue(
        Step("create", creator, "mq_create", lambda i: {"name": i.name}),
        Step("send", creator, "mq_send", lambda i: {"name": i.name, "text": i.text}),
        Step("receive", receiver, "mq_receive", lambda i: {"name": i.name}),
        Step("remove", creator, "mq_unlink", lambda i: {"name": i.name}),
    )


def fill(
    container: Container,
    up_to: Size,
    label: str = "fill",
    counted: bool = True,
    keep: bool = False,
    may_be_oom_killed: bool = True,
) -> Step:
    """Write into /dev/shm until the kernel refuses, or up to a size. The option fill leaves it out.

    :param counted: the container's memory limit leaves room for what is written.
    :param keep: what is written stays until the step fill_drop.
    """

    def arguments(i: Inputs) -> t.Mapping[str, Scalar]:
        return {"path": SHM, "max": up_to(i.sizes), **({"keep": "1"} if keep else {})}

    writes = up_to if counted else None
    return Step(label, container, FILL, arguments, writes, may_be_oom_killed=may_be_oom_killed)
