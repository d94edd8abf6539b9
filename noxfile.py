# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions that `make test` has no time for: every ansible-core with every Python, and what the Ansible community runs.

pip install -r requirements/nox.txt; nox --list. Sanity and units need nothing but PyPI: the stages are those of
tests/tools/run.py, by the tools of the session's own virtual environment.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import antsibull_nox
import nox

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True

antsibull_nox.load_antsibull_nox_toml()

#: The Pythons that each ansible-core runs on, of those that this collection supports.
PYTHONS = {
    "2.16": ["3.11", "3.12"],
    "2.17": ["3.11", "3.12"],
    "2.18": ["3.11", "3.12", "3.13"],
    "2.19": ["3.11", "3.12", "3.13"],
    "2.20": ["3.12", "3.13", "3.14"],
    "2.21": ["3.12", "3.13", "3.14"],
    "2.22": ["3.13", "3.14"],
}
#: Not pinned for other versions of ansible-core than that of requirements/run.txt: these differ.
UNPINNED = ("ansible-core", "resolvelib")


def pairs(any_python: bool = False) -> list[t.Any]:
    """Return nox's parameters: a Python and an ansible-core."""
    return [
        nox.param(python, core, id=core if any_python else f"{core}-{python}")
        for core, pythons in PYTHONS.items()
        for python in (pythons[:1] if any_python else pythons)
    ]


def install(session: nox.Session, core: str, *requirements: str) -> None:
    """Install an ansible-core, pre-releases too, with kubernetes.core beside it."""
    pins = Path("requirements/constraints.txt").read_text("utf-8").splitlines()
    constraints = Path(session.create_tmp()) / "constraints.txt"
    constraints.write_text("\n".join(pin for pin in pins if pin.split("==")[0] not in UNPINNED), "utf-8")
    session.chdir(Path(__file__).parent)
    session.install(f"ansible-core>={core}.0rc1,<{core}.999", "--constraint", str(constraints), *requirements)
    session.run("python", "requirements/install_collections.py", silent=True)


@nox.session(default=False, tags=["sanity"])
@nox.parametrize(["python", "core"], pairs(any_python=True))
def sanity(session: nox.Session, core: str) -> None:
    """Run ansible-test sanity; arguments after -- go to it."""
    install(session, core)
    session.run("python", "tests/tools/run.py", "sanity", env={"SANITY_ARGUMENTS": " ".join(session.posargs)})


@nox.session(default=False, tags=["units"])
@nox.parametrize(["python", "core"], pairs())
def units(session: nox.Session, core: str) -> None:
    """Run the unit tests, with pytest and as ansible-test runs them."""
    install(session, core, "--requirement=tests/unit/requirements.txt", "--requirement=requirements/local.txt")
    session.run("python", "tests/tools/run.py", "units", "ansible-units")
