# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build the site of the documentation in .build/docs/html: the plugins and roles, the guide, and the page of each check.

antsibull-docs writes the plugins' pages, as for every collection. The guide and the checks are the Markdown files of
docs/, as they stand. A link that leads nowhere fails.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from run import BIN, BUILD, COPY, TREE, environment, place_copy

SITE = BUILD / "docs"
SOURCES = SITE / "rst"
GUIDE = SOURCES / "collections" / "abcdesktopio" / "podshm" / "docsite" / "guide"
REPOSITORY = "https://github.com/abcdesktopio/podshm/blob/main"
LINK = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)#\s]+)")

CONF = """\
project = "abcdesktopio.podshm"
copyright = "abcdesktop.io contributors"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
root_doc = "collections/abcdesktopio/podshm/index"
html_theme = "alabaster"
html_theme_options = {"page_width": "70em", "fixed_sidebar": True}
html_show_sphinx = False
highlight_language = "none"
myst_heading_anchors = 4
# Labels of the manual of Ansible (`make lint` checks ours), and what GitHub shows all the same.
suppress_warnings = ["ref.ref", "myst.header", "misc.highlighting_failure"]
"""

# Only here: antsibull-docs refuses a table of contents with pages that are not in docs/docsite.
CONTENTS = """
.. toctree::
   :caption: Guide
   :maxdepth: 1
   :glob:

   guide/*

.. toctree::
   :caption: Checks
   :maxdepth: 1
   :glob:

   guide/checks/*

.. toctree::
   :caption: Findings
   :maxdepth: 1
   :glob:

   guide/findings/*
"""


def external(link: str, page: Path) -> str:
    """Return a link as the site has it: to the repository where it leaves docs/."""
    docs = COPY / "docs"
    target = Path(os.path.normpath(page.parent / link))
    if target.is_relative_to(docs) and target.suffix == ".md":
        return link
    if not target.exists():
        raise SystemExit(f"{page.relative_to(COPY)}: {link} leads nowhere")
    return f"{REPOSITORY}/{target.relative_to(COPY)}"


def _external(page: Path, found: re.Match[str]) -> str:
    return external(found[1], page)


def copy_pages() -> None:
    """Put the Markdown pages where the guide's table of contents looks for them."""
    docs = COPY / "docs"
    for page in sorted(docs.rglob("*.md")):
        copy = GUIDE / page.relative_to(docs)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = page.read_text("utf-8")
        copy.write_text(LINK.sub(functools.partial(_external, page), text), "utf-8")
        for picture in (*page.parent.glob("*.svg"), *page.parent.glob("*.png")):
            shutil.copy(picture, copy.parent)


def list_pages() -> None:
    """Add the pages to the guide's table of contents."""
    with (GUIDE.parent / "guide.rst").open("a", encoding="utf-8") as guide:
        guide.write(CONTENTS)


def main() -> int:
    """Build everything from scratch."""
    place_copy()
    shutil.rmtree(SITE, ignore_errors=True)
    SOURCES.mkdir(parents=True)
    env = environment() | {"ANSIBLE_COLLECTIONS_PATH": str(TREE.parent)}
    pages = ["--use-current", "--fail-on-error", "--dest-dir", str(SOURCES), "abcdesktopio.podshm"]
    subprocess.run([BIN / "antsibull-docs", "collection", *pages], cwd=SITE, env=env, check=True)
    copy_pages()
    list_pages()
    (SOURCES / "conf.py").write_text(CONF, "utf-8")
    sphinx = [str(BIN / "sphinx-build"), "--quiet", "--fail-on-warning", "--keep-going", "--jobs", "auto"]
    built = subprocess.run([*sphinx, str(SOURCES), str(SITE / "html")], env=env, check=False)
    if built.returncode == 0:
        print(f"docs: {SITE / 'html' / 'collections' / 'abcdesktopio' / 'podshm' / 'index.html'}")
    return built.returncode


if __name__ == "__main__":
    sys.exit(main())
