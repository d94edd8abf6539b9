# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Audit manifests on the controller, or run the module of the same name, and print what it says."""

from __future__ import annotations

import os
import stat
import typing as t

from ansible.module_utils.common.validation import check_type_list
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _options
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Verdict
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit, manifests
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import (
    _disk,
    _kustomize,
    _report,
    _terminal,
    _workload_text,
)

#: What of a folder is read.
_SUFFIXES: t.Final = (".yaml", ".yml", ".json")


#: From how many v on the whole answer is printed.
_WHOLE: t.Final = 3


class ActionModule(ActionBase):
    """The workloads of manifests, on the controller; those of a cluster by the module."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Audit what the options name, and print it."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        args = self._task.args
        verbose = boolean(args.get("verbose", False), strict=False) or bool(self._display.verbosity)
        names = check_type_list(args.get("manifests") or [])
        try:
            _options.require_fix(args)
        except ValueError as error:
            return {**result, "failed": True, "msg": f"wrong option: {error}"}
        if names and boolean(args.get("prove", False), strict=False):
            words = "wrong option: prove: manifests have no cluster to prove anything in; leave out prove or manifests"
            result.update(failed=True, msg=words)
        elif names:
            result.update(self._audited([str(name) for name in names]))
        else:
            result.update(self._execute_module(task_vars=task_vars))
        # what kept a cluster from being read at all is the message
        if result.get("workloads") or ("workloads" in result and not result.get("failed")):
            fix = str(args.get("fix") or "none")
            printed = _workload_text.lines(result, verbose, fix)
            if fix == "kustomize":
                printed += self._component(
                    result, "" if names else str((task_vars or {}).get("inventory_hostname", ""))
                )
            # in one piece: other clusters print at the same time
            _terminal.show(["\n".join(["", *printed])])
        if self._display.verbosity < _WHOLE:
            result["_ansible_verbose_override"] = True
        return result

    def _component(self, result: dict[str, t.Any], cluster: str) -> list[str]:
        """Write the fixes as a component of kustomize, or return its lines."""
        text = _kustomize.component(result["workloads"])
        directory = str(self._task.args.get("fix_directory") or "")
        if not text:
            return ["fix: no workload has a patch"]
        if not directory:
            return ["", *text.splitlines()]
        folder = os.path.abspath(os.path.expanduser(directory))
        path = os.path.join(folder, *([_report.folder(cluster)] if cluster else []), _kustomize.FILE)
        if self._task.check_mode:
            return [f"fix: {path} would be written"]
        try:
            result["changed"] = _write(path, text)
        except (OSError, ValueError) as error:
            words = f"fix: {path} cannot be written: {error.strerror if isinstance(error, OSError) else error}"
            result |= {"failed": True, "status": Verdict.ERROR.value, "msg": words}
            return [words]
        return [f"fix: wrote {path}; name its folder in the components of your kustomization"]

    def _audited(self, names: t.Sequence[str]) -> dict[str, t.Any]:
        """The answer of the module, for manifests."""
        found: list[manifests.Workload] = []
        problems: list[manifests.Problem] = []
        for name, text in self._texts(names, problems):
            workloads, wrong = manifests.read(text, name)
            found += workloads
            problems += wrong
        audits = [audit.facts_of(one, PROGRAMS) for one in found]
        words = [str(problem) for problem in problems]
        return {
            "changed": False,
            "workloads": audits,
            "problems": words,
            "notes": [],
            "leftovers": [],
            "status": audit.status(audits, words).value,
            "msg": audit.headline(audits, words),
        }

    def _texts(self, names: t.Sequence[str], problems: list[manifests.Problem]) -> t.Iterator[tuple[str, str]]:
        """The texts of files, of the manifests in folders, and of stdin (V(-)), each with its name."""
        for name in names:
            if name == "-":
                # a worker has no stdin of its own
                yield from _read(f"/proc/{os.getppid()}/fd/0", "stdin", problems)
                continue
            path = os.path.abspath(os.path.expanduser(name))
            if not os.path.isdir(path):
                yield from _read(path, name, problems)
                continue
            count = len(problems)
            files = sorted(_files(path, name, problems))
            if not files and count == len(problems):
                problems.append(manifests.Problem(name, f"the folder has no file that ends in {', '.join(_SUFFIXES)}"))
            for file in files:
                yield from _read(file, os.path.join(name, os.path.relpath(file, path)), problems)


def _files(path: str, name: str, problems: list[manifests.Problem]) -> t.Iterator[str]:
    """The manifests in a folder and in those below it, links among them, but not in hidden ones, as .git and .github."""
    seen = {os.path.realpath(path)}

    def refuse(error: OSError) -> None:
        where = os.path.join(name, os.path.relpath(str(error.filename), path))
        problems.append(manifests.Problem(os.path.normpath(where), f"it cannot be read: {error.strerror}"))

    for folder, folders, inside in os.walk(path, onerror=refuse, followlinks=True):
        real = {each: os.path.realpath(os.path.join(folder, each)) for each in folders if not each.startswith(".")}
        # a link can lead to where it is itself
        folders[:] = [each for each, target in real.items() if target not in seen]
        seen.update(real.values())
        yield from (os.path.join(folder, each) for each in inside if each.endswith(_SUFFIXES) and each[0] != ".")


def _write(path: str, text: str) -> bool:
    """Write a component, also in place of an earlier one; returns whether that is another one.

    :raises ValueError: the file is somebody else's.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            before = file.read()
        if not before.startswith(_kustomize.MARK):
            raise ValueError("there is such a file, and podshm did not write it; name another folder")
        if before == text:
            return False
    _disk.write(path, text)
    return True


def _read(path: str, name: str, problems: list[manifests.Problem]) -> t.Iterator[tuple[str, str]]:
    try:
        with open(path, encoding="utf-8") as file:
            if stat.S_ISCHR(os.fstat(file.fileno()).st_mode):
                problems.append(
                    manifests.Problem(name, "it is a terminal; give manifests with a pipe: helm template ... |")
                )
                return
            text = file.read(manifests.MAX_BYTES + 1)
    except OSError as error:
        problems.append(manifests.Problem(name, f"it cannot be read: {error.strerror}"))
    except UnicodeDecodeError:
        problems.append(manifests.Problem(name, "it is no text in UTF-8"))
    else:
        yield name, text
