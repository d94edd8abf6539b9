# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import types
import typing as t

import pytest
import yaml

from ansible_collections.abcdesktopio.podshm.plugins.doc_fragments import _auth
from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _module
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID, CHECKS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Node,
    Settings,
    Sizes,
    SkippedNodes,
    Target,
    texts,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.judge import Judge
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.run import Result
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._run.workloads import Audited
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit, manifests
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.modules import (
    shm_check,
    shm_explain,
    shm_probe,
    shm_size,
    shm_workload,
)
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC

SETTINGS = Settings()
SIZES = Sizes.of(SETTINGS)
JUDGE = Judge("c", SETTINGS, SIZES, texts(SETTINGS, SIZES), None, {}, Inconclusive(Reason.API_UNREACHABLE, "refused"))

MECHANISMS = ["sysv_shm", "sysv_sem", "sysv_msg", "posix_shm", "posix_sem", "posix_mq"]
MODULES = pytest.mark.parametrize(
    "module", [shm_check, shm_probe, shm_size], ids=lambda module: module.__name__.split(".")[-1]
)


def probed(mechanisms: list[str], *ftok: str) -> list[str]:
    return [check.id for check in shm_probe.select({"mechanisms": mechanisms, "ftok": ftok or ("shared", "private")})]


# -------------------------------------------------------------------------------------------- what they select


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_mechanism_selects_what_its_tag_selects(mechanism: str) -> None:
    tagged = [check.id for check in shm_check.select({"checks": [mechanism]})]
    assert probed([mechanism]) == tagged
    assert tagged == [check.id for check in CHECKS if mechanism in check.tags]


@pytest.mark.parametrize(("ftok", "without"), [("shared", "SHM102"), ("private", "SHM101")])
def test_ftok_narrows_the_scenarios_of_podshmtest(ftok: str, without: str) -> None:
    assert set(probed(["sysv_shm"])) - set(probed(["sysv_shm"], ftok)) == {without}


def test_no_mechanism_selects_nothing() -> None:
    assert probed([]) == []


def test_volumes_select_the_checks_of_sizes() -> None:
    assert [check.id for check in shm_size.select({"volumes": ["limit", "none"]})] == ["SHM301", "SHM303"]


def test_no_word_selects_the_whole_catalog() -> None:
    assert shm_check.select({"checks": None}) == list(CHECKS)


@pytest.mark.parametrize(
    ("words", "message"), [([], "^checks: the list is empty"), (["x"], "^checks: there is no check")]
)
def test_words_that_select_nothing(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shm_check.select({"checks": words})


# -------------------------------------------------------------------------------------------- what they return


def returned(module: types.ModuleType) -> dict[str, t.Any]:
    return dict(yaml.safe_load(module.RETURN))


@MODULES
def test_every_return_value_is_documented(module: types.ModuleType) -> None:
    assert returned(module).keys() - {"msg"} == _module.exit_fields(Result("c", "1")).keys() - {"changed"}


def test_fields_of_return_values_are_documented() -> None:
    fields = returned(shm_check)
    run = fields["run"]["contains"]
    assert run.keys() == _module.exit_fields(Result("c", "1"))["run"].keys()
    target = Target(Node("n", "amd64", 1, "i", "Never", "r", "k", "v"), "", ("n",))
    assert run["targets"]["contains"].keys() == target.facts().keys()
    skipped = SkippedNodes(["n"], Reason.NO_NODE, "why")
    assert run["skipped_nodes"]["contains"].keys() == skipped.facts().keys()
    (check,), _controls = JUDGE.judge([BY_ID["SHM301"]])
    assert fields["checks"]["contains"].keys() == check.keys()


def test_fields_of_an_audit_are_documented() -> None:
    fields = returned(shm_workload)
    answer = shm_workload.exit_fields(Audited("c"))
    assert fields.keys() == answer.keys() - {"changed"}
    assert fields["run"]["contains"].keys() == answer["run"].keys()
    (work,), _problems = manifests.read(
        "kind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: postgres}]}", "f"
    )
    facts = audit.facts_of(work, PROGRAMS)
    one = fields["workloads"]["contains"]
    assert one.keys() == facts.keys()
    assert one["containers"]["contains"].keys() == facts["containers"][0].keys()
    assert one["findings"]["contains"].keys() == facts["findings"][0].keys()


def test_the_explanation_of_a_line_is_documented() -> None:
    assert returned(shm_explain).keys() == {"matches", "other"}


@pytest.mark.parametrize("module", [shm_probe, shm_size])
def test_return_values_stand_once(module: types.ModuleType) -> None:
    for name, entry in returned(module).items():
        assert entry["description"] == [f"As RV(abcdesktopio.podshm.shm_check#module:{name})."]
        assert "contains" not in entry
        assert entry["type"] == returned(shm_check)[name]["type"]


def test_the_options_to_reach_a_cluster_are_those_of_kubernetes_core() -> None:
    documented = yaml.safe_load(_auth.ModuleDocFragment.DOCUMENTATION)["options"]
    assert documented.keys() == AUTH_ARG_SPEC.keys()
    for name, spec in AUTH_ARG_SPEC.items():
        assert documented[name]["type"] == spec.get("type", "str"), name
        assert documented[name].get("aliases", []) == spec.get("aliases", []), name
        assert documented[name].get("elements") == spec.get("elements"), name
