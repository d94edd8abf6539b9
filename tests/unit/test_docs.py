# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""README and docs/ say what the code says, in words that a platform engineer uses."""

from __future__ import annotations

import itertools
import re
import typing as t
from pathlib import Path

import pytest
import yaml
from blocks import block, with_block, without_blocks

import docs
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import CHECKS, CONTROLS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import Settings, Sizes
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.manifests import RunMeta
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.plan import plan
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _report

CHECKOUT = Path(__file__).parents[2]
EVERY = docs.catalog()
IDS = {check.id for check in EVERY}
#: What Galaxy and people read.
READ = (
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "docs").rglob("*.md")),
)
REPOSITORY = "https://github.com/abcdesktopio/podshm"
README_LINES = 150
WIDTH = 120
#: What Galaxy and the inclusion checklist want in a README.
README_SECTIONS = {"Requirements", "Included content", "Communication", "Contributing", "Security", "Licence"}
#: Words that are no English of a platform engineer, or that say nothing of who does what.
BANNED = (
    r"told",
    r"asked",
    r"made",
    r"anew",
    r"otherwise",
    r"meant",
    r"whoever",
    r"nobody may",
    r"may not look",
    r"may look",
    r"but for",
    r"as can be",
    r"for a person",
    r"come into question",
    r"leans? on",
    r"mend",
    r"the 10 s of a step",
)
#: Files that links lead to and that another change brings.
COMING = {"SECURITY.md", "LICENSES", "hack/localcluster"}

each_check = pytest.mark.parametrize("check", EVERY, ids=lambda check: check.id)
each_file = pytest.mark.parametrize("file", READ)


def read(file: str | Path) -> str:
    return (CHECKOUT / file).read_text(encoding="utf-8")


def page(check: docs.Entry) -> str:
    return read(docs.page_of(check))


def prose(text: str) -> str:
    """What people wrote: no generated block, no question of the catalog, no code."""
    text = without_blocks(text)
    if text.startswith("# SHM"):
        text = "\n".join(text.split("\n")[3:])
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`]*`", "`code`", text)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


# ---------------------------------------------------------------------------- generated parts


def test_generated_parts_are_up_to_date() -> None:
    texts, problems = docs.generated()
    assert problems == []
    assert [str(path) for path, text in texts.items() if read(path) != text] == []


@pytest.mark.parametrize("text", ["", "<!-- begin generated: facts -->\n", f"{block('facts')}\n" * 2])
def test_a_block_that_is_not_there_once_is_a_problem(text: str) -> None:
    with pytest.raises(ValueError, match="exactly one block"):
        with_block(text, "facts", ["a line"])


def test_a_block_is_replaced_and_nothing_else() -> None:
    text = f"before\n{block('facts', ['old'])}\n{block('accept', ['kept'])}\nafter\n"
    expected = f"before\n{block('facts', ['new'])}\n{block('accept', ['kept'])}\nafter\n"
    assert with_block(text, "facts", ["new"]) == expected


@each_check
def test_a_new_check_gets_a_page_with_the_frame(check: docs.Entry) -> None:
    new = docs.page(check, docs.empty_page(check))
    assert re.findall(r"^## (.*)$", new, flags=re.MULTILINE) == list(docs.SECTIONS)
    assert f"\n{check.question}\n" in new
    assert (f"podshm_accept: {{{check.id}: " in new) == (check.group != docs.CONTROL)


def test_a_changed_question_makes_a_page_stale() -> None:
    check = EVERY[0]
    assert docs.page(check._replace(question="Another?"), page(check)) != page(check)


def test_a_page_without_a_title_is_a_problem() -> None:
    with pytest.raises(ValueError, match="begins with its title"):
        docs.page(EVERY[0], "no title\n")


# --------------------------------------------------------------------------------------- pages


def test_there_is_no_page_without_a_check() -> None:
    assert {file.name for file in (CHECKOUT / "docs" / "checks").iterdir()} == {f"{check.id}.md" for check in EVERY}


@each_check
def test_a_page_has_its_sections(check: docs.Entry) -> None:
    _head, *parts = re.split(r"^## ", without_blocks(page(check)), flags=re.MULTILINE)
    assert [part.split("\n", 1)[0] for part in parts] == list(docs.SECTIONS)
    assert all(part.split("\n", 1)[1].strip() for part in parts)


@each_check
def test_a_page_explains_what_makes_it_skip(check: docs.Entry) -> None:
    text = " ".join(without_blocks(page(check)).split())
    explained = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"\*\*SKIP\*\* \(([^)]*)\)", text))))
    assert set(check.skips) <= explained


@each_check
def test_a_page_points_to_checks_that_exist(check: docs.Entry) -> None:
    assert set(re.findall(r"\bSHM\d{3}\b", page(check))) <= IDS


def _containers(value: object) -> t.Iterator[dict[str, t.Any]]:
    if isinstance(value, dict):
        if "volumeMounts" in value and "name" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _containers(each)


# pages of findings have manifests that are wrong; what is found in them has a test of its own
@pytest.mark.parametrize("file", [file for file in READ if not file.startswith("docs/findings/")])
def test_manifests_parse_and_limit_the_memory_of_containers_with_volumes(file: str) -> None:
    for text in blocks(read(file), "yaml"):
        unlimited = [
            container["name"]
            for document in yaml.safe_load_all(text)
            for container in _containers(document)
            if "memory" not in container.get("resources", {}).get("limits", {})
        ]
        assert unlimited == []


# ------------------------------------------------------------------------------------- reference


def test_shm314_is_reserved() -> None:
    assert "SHM314" not in IDS
    assert "SHM314 is reserved and stays empty" in " ".join(read("docs/checks.md").split())


def test_every_tag_is_explained() -> None:
    text = without_blocks(read("docs/checks.md"))
    assert sorted({tag for check in EVERY for tag in check.tags if f"`{tag}`" not in text}) == []


def test_every_reason_is_listed_with_its_remedy() -> None:
    rows = dict(re.findall(r"^\| ([A-Z]\w+) \| (.*) \|$", read("docs/reasons.md"), flags=re.MULTILINE))
    assert {code: remedy[0].lower() + remedy[1:].rstrip(".") for code, remedy in rows.items()} == docs.remedies()


def test_the_role_can_be_read_out_of_the_permissions() -> None:
    cluster_role, role = yaml.safe_load_all(read("docs/permissions.md").split("```yaml")[1].split("```")[0])
    assert (cluster_role["kind"], role["kind"]) == ("ClusterRole", "Role")
    assert all(len(rule["resources"]) == 1 for rule in (*cluster_role["rules"], *role["rules"]))


# ---------------------------------------------------------------------------------------- README


def test_the_readme_is_one_page() -> None:
    assert len(read("README.md").splitlines()) <= README_LINES


def test_the_readme_has_the_sections_that_galaxy_wants() -> None:
    assert set(re.findall(r"^## (.*)$", read("README.md"), flags=re.MULTILINE)) >= README_SECTIONS


def test_the_readme_says_what_a_run_requests() -> None:
    settings = Settings()
    nonces = (f"{number:032x}" for number in itertools.count())
    layouts = plan([*CONTROLS, *CHECKS], settings, Sizes.of(settings), "0123456789", nonces)
    pods = [pod for layout in layouts if not layout.layout.dry_run_only for pod in layout.pods]
    gibibytes = sum(pod.memory_bytes for pod in pods) / 1024**3
    millis = sum(one.cpu_millis // RunMeta.cpu_share for pod in pods for one in pod.containers)
    kibibytes = max(binary.stat().st_size for binary in (CHECKOUT / "files" / "probe" / "bin").iterdir()) / 1024
    text = " ".join(read("README.md").split())
    assert f"up to {len(pods)} small pods per node and RuntimeClass" in text
    assert f"they request {gibibytes:.0f} GiB of memory" in text
    assert f"and {millis / 1000:.0f} CPU)" in text
    assert kibibytes <= float(t.cast("re.Match[str]", re.search(r"the probe \(at most (\d+) KiB\)", text))[1])


def test_the_readme_shows_what_the_tool_prints() -> None:
    shown = next(block for block in blocks(read("README.md"), "") if block.startswith("CLUSTER"))
    (segment,) = (check for check in docs.entries() if check["id"] == "SHM101")

    def answer(node: str, runtime_class: str, seconds: float, failed: str = "") -> dict[str, t.Any]:
        checks = [
            {
                "id": check,
                "name": segment["name"],
                "group": "any",
                "node": node,
                "runtime_class": runtime_class,
                "verdict": "FAIL" if check == failed else "PASS",
                "reason": "",
                "expected": segment["expected"],
                "observed": "the second container does not find the segment "
                "(shmget: ENOENT; IPC namespaces 4026532333 and 4026532339)",
                "remedy": "use a RuntimeClass that keeps one IPC namespace per pod; "
                "hostIPC is not needed for containers of one pod",
            }
            for check in ("SHM101", "SHM201", "SHM303")
        ]
        return {"status": "FAIL" if failed else "PASS", "run": {"duration": seconds}, "checks": checks}

    alpha, beta = answer("alpha", "", 3.4), answer("beta", "own-ipc", 6.4, failed="SHM101")
    printed = _report.table([_report.report("alpha", alpha), _report.report("beta", beta)])
    assert shown.splitlines() == printed


# ------------------------------------------------------------------------------- links and words


def _heading_anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_file
def test_links_are_absolute_and_lead_somewhere(file: str) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", read(file))
    assert [link for link in links if not link.startswith("https://")] == []
    for link in links:
        found = re.fullmatch(rf"{re.escape(REPOSITORY)}/(?:blob|tree)/main/([^#]*)(?:#(.*))?", link)
        if found and found[1] not in COMING:
            assert (CHECKOUT / found[1]).exists(), link
            assert not found[2] or found[2] in _heading_anchors(read(found[1])), link


@each_file
def test_words(file: str) -> None:
    text = " ".join(prose(read(file)).split())
    found = [word for word in BANNED if re.search(rf"\b(?:{word})\b", text, flags=re.IGNORECASE)]
    assert found == []


# the protocol is wrapped by hand at another width
@pytest.mark.parametrize("file", [file for file in READ if file != "docs/protocol.md"])
def test_lines_are_wrapped(file: str) -> None:
    # what the tool prints is not wrapped
    text = re.sub(r"^```\n.*?^```$", "", without_blocks(read(file)), flags=re.MULTILINE | re.DOTALL)
    lines = text.splitlines()
    long = [line for line in lines if len(line) > WIDTH and not line.startswith("|") and "https://" not in line]
    assert long == []
