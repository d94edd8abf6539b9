# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Break the rules of the checks, one change at a time, and count what no test notices: mutants.py [MODULE ...].

The changes are those of cosmic-ray, and one more: a guard is left out. No file is changed: each mutant is a fork of this
process that imports the changed source, so a thousand of them take minutes. What the unit tests of a family do not notice
is tried with the real probe (tests/contract): they know no arguments of steps. Run by `make mutants`, not by `make test`.

Mutants that live are printed, and written to .build/mutants/; those that behave as the original does are explained in
mutants.toml beside this file. It ends with 1 if there are others.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import difflib
import importlib.abc
import importlib.machinery
import os
import signal
import sys
import time
import tomllib
import typing as t
from pathlib import Path

import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from tree import CHECKOUT

PACKAGE = "ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks"
SOURCES = CHECKOUT / "plugins" / "module_utils" / "_checks"
TESTS = CHECKOUT / "tests" / "unit" / "plugins" / "module_utils" / "_checks"
CONTRACT = CHECKOUT / "tests" / "contract"
EXPLAINED = Path(__file__).with_name("mutants.toml")
OUTPUT = CHECKOUT / ".build" / "mutants"
#: A mutant that never ends is noticed, too: by the time of the processor, on a busy machine; by the clock if it sleeps.
CPU_SECONDS = 60
SECONDS = 900
#: Operators whose mutants say nothing: identity of text and numbers, and what nobody confuses (an order for an equality,
#: a power for a sum).
POINTLESS = (
    *("_Is", "_IsNot", "_Mod", "_Pow", "_RShift", "_LShift", "_BitAnd", "_BitXor", "_FloorDiv", "_BitOr"),
    *(f"_{equality}_{order}" for equality in ("Eq", "NotEq", "Is", "IsNot") for order in ("Lt", "LtE", "Gt", "GtE")),
    *("_Is_Eq", "_IsNot_NotEq"),
)


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change of one module."""

    module: str
    line: int
    source: str

    def diff(self) -> str:
        """The lines that are changed, without their numbers."""
        original = (SOURCES / f"{self.module}.py").read_text("utf-8").splitlines()
        lines = difflib.unified_diff(original, self.source.splitlines(), n=0, lineterm="")
        return "\n".join(line for line in lines if line[:2] not in ("--", "++", "@@"))


def mutants(module: str) -> t.Iterator[Mutant]:
    """All changes of a module that can matter."""
    code = (SOURCES / f"{module}.py").read_text("utf-8")
    words, lines = _annotations(ast.parse(code)), code.splitlines()
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments() or name.endswith(POINTLESS):
            continue
        positions = [at for node in ast_nodes(get_ast(code)) for at in operator().mutation_positions(node)]
        for occurrence, (start, _end) in enumerate(positions):
            changed = mutate_code(code, operator(), occurrence)
            if changed and start not in words and not lines[start[0] - 1].startswith("@dataclasses"):
                yield Mutant(module, start[0], changed)
    yield from _without_guards(module, code)


def _annotations(tree: ast.Module) -> set[tuple[int, int]]:
    """Every position in an annotation, which nothing evaluates."""
    found = set()
    for node in ast.walk(tree):
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            for inner in ast.walk(part) if part else ():
                if isinstance(inner, ast.expr):
                    lines = range(inner.lineno, (inner.end_lineno or inner.lineno) + 1)
                    found |= {(line, column) for line in lines for column in range(200)} if len(lines) > 1 else set()
                    found |= {(inner.lineno, column) for column in range(inner.col_offset, inner.end_col_offset or 0)}
    return found


def _without_guards(module: str, code: str) -> t.Iterator[Mutant]:
    """The module without one of the calls whose result nobody reads."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and node.col_offset:
            lines = code.splitlines()
            lines[node.lineno - 1 : node.end_lineno] = [" " * node.col_offset + "pass"]
            yield Mutant(module, node.lineno, "\n".join(lines) + "\n")


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the mutant in place of the module."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: t.Sequence[str] | None, target: t.Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname == f"{PACKAGE}.{self._mutant.module}":
            return importlib.machinery.ModuleSpec(fullname, self)
        return None

    def exec_module(self, module: t.Any) -> None:
        exec(compile(self._mutant.source, f"{self._mutant.module}.py", "exec"), module.__dict__)


def tests_of(module: str) -> list[str]:
    """The tests of a family, or of all families if it is what they share."""
    own = TESTS / f"test_{module}.py"
    return [str(own if own.exists() else TESTS)]


def run(mutant: Mutant | None, module: str) -> t.NoReturn:
    """Run the tests of a module, then the contract test, and end with 0 if they notice nothing."""
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    signal.alarm(SECONDS)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    if mutant:
        sys.meta_path.insert(0, Finder(mutant))
    code = 1
    with contextlib.suppress(BaseException):
        for tests in (tests_of(module), [str(CONTRACT)]):
            code = pytest.main(["-x", "-q", "-o", "cache_dir=.build/pytest-mutants", *tests])
            if code:
                break
    os._exit(int(code))


def explained() -> dict[str, str]:
    """Why a mutant that lives is none, by module and diff."""
    if not EXPLAINED.exists():
        return {}
    entries = tomllib.loads(EXPLAINED.read_text("utf-8"))["mutant"]
    return {f"{one['module']}\n{diff.strip()}": one["why"] for one in entries for diff in one["diffs"]}


def survivors(todo: list[Mutant]) -> t.Iterator[Mutant]:
    """Those of all mutants that no test notices."""
    running: dict[int, Mutant] = {}
    began, at_once = time.monotonic(), os.cpu_count() or 1
    for done, mutant in enumerate([*todo, *[None] * at_once]):
        while running and (len(running) >= at_once or mutant is None):
            pid, status = os.wait()
            ended = running.pop(pid)
            if status == 0:
                yield ended
        if mutant:
            pid = os.fork()
            if not pid:
                run(mutant, mutant.module)
            running[pid] = mutant
        if done % 100 == 0:
            print(f"{done} of {len(todo)}, {time.monotonic() - began:.0f} s", flush=True)


def main(names: list[str]) -> int:
    """Run the mutants of some modules, or of all, and print the score."""
    os.chdir(CHECKOUT)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    modules = names or sorted(path.stem for path in SOURCES.glob("*.py"))
    # what the tests share, once for all forks; nothing of what is changed
    for heavy in ("hypothesis", "yaml", "ansible.module_utils.basic", "_pytest.assertion.rewrite"):
        __import__(heavy)
    for module in modules:
        if not os.fork():
            run(None, module)
        if os.wait()[1]:
            raise SystemExit(f"the tests of {module} fail without any change: {tests_of(module)[0]}")
    known, used, living, total = explained(), set(), [], 0
    for module in modules:
        todo = list(mutants(module))
        total += len(todo)
        print(f"{module}: {len(todo)} mutants", flush=True)
        for mutant in survivors(todo):
            key = f"{module}\n{mutant.diff().strip()}"
            if key in known:
                used.add(key)
                continue
            living.append(mutant)
            text = f"{module}.py:{mutant.line}\n{mutant.diff()}\n"
            print(text, flush=True)
            with (OUTPUT / "survivors.txt").open("a", encoding="utf-8") as file:
                file.write(f"{text}\n")
    stale = [key for key in known.keys() - used if key.partition("\n")[0] in modules]
    for key in stale:
        print(f"explained, but no mutant that lives: {key}")
    killed = total - len(living) - len(used)
    score = 100 * killed / (total - len(used))
    print(f"{total} mutants: {killed} killed, {len(used)} explained, {len(living)} alive; score {score:.1f} %")
    return 1 if living or stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
