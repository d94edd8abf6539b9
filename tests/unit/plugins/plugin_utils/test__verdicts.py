# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import NO_NAME
from ansible_collections.abcdesktopio.podshm.plugins.plugin_utils import _verdicts


def check(check_id: str, verdict: str, reason: str = "", **change: t.Any) -> dict[str, t.Any]:
    return {
        "id": check_id,
        "name": f"name_{check_id}",
        "group": "sysv" if check_id < "SHM200" else "posix",
        "node": "n1",
        "runtime_class": "",
        "question": "Does it?",
        "verdict": verdict,
        "reason": reason,
        "expected": "this",
        "observed": f"observed {check_id}",
        "remedy": "do that",
        "evidence": {"long": "x" * 999},
        **change,
    }


def answer(*checks: dict[str, t.Any], status: str = "FAIL", **change: t.Any) -> dict[str, t.Any]:
    return {"status": status, "msg": "cluster eu: message", "run": {"cluster": "eu"}, "checks": list(checks), **change}


def asserted(*checks: dict[str, t.Any], group: str = "", **change: t.Any) -> _verdicts.Assertion:
    return _verdicts.asserted("host", answer(*checks, **change), group)


SAME = [check(i, "ERROR", "ApiUnreachable", observed="same") for i in ("SHM101", "SHM102", "SHM201")]


# ------------------------------------------------------------------------------------------------------ findings


def ids(*checks: dict[str, t.Any]) -> list[str]:
    return [finding.ids for finding in _verdicts.findings(checks)]


def test_pass_and_skip_are_no_findings_and_the_worst_is_last() -> None:
    found = ids(
        check("SHM103", "FAIL"), check("SHM101", "PASS"), check("SHM104", "WARN"), check("SHM102", "ERROR", "Timeout"),
        check("SHM105", "SKIP", "NotRequested"),
    )  # fmt: skip
    assert found == ["SHM104", "SHM102", "SHM103"]


def test_one_cause_is_one_finding_whatever_is_skipped_or_passes() -> None:
    for other in (check("SHM403", "SKIP", "NotRequested"), check("SHM607", "PASS")):
        assert ids(*SAME, other) == ["SHM101..SHM201"]


@pytest.mark.parametrize(
    "other",
    [
        check("SHM301", "ERROR", "ApiUnreachable", observed="another"),
        check("SHM301", "ERROR", "Timeout", observed="same"),
        check("SHM301", "WARN", observed="same"),
        check("SHM301", "FAIL", observed="same"),
    ],
)
def test_several_causes_stay_apart(other: dict[str, t.Any]) -> None:
    assert len(ids(*SAME, other)) == 2


@pytest.mark.parametrize("verdict", ["FAIL", "WARN"])
def test_what_was_decided_stays_apart(verdict: str) -> None:
    """Each has an expectation and a remedy of its own."""
    assert ids(check("SHM301", verdict, observed="same"), check("SHM302", verdict, observed="same")) == [
        "SHM301",
        "SHM302",
    ]


def test_a_cause_on_several_nodes_names_them() -> None:
    (same,) = _verdicts.findings(SAME)
    assert same.where == "n1"
    (fold,) = _verdicts.findings([*SAME, *({**one, "node": f"n{n}"} for n in range(2, 6) for one in SAME)])
    assert (fold.where, fold.ids) == ("n1, n2, n3 and 2 more", "SHM101..SHM201")


def test_what_was_decided_alike_on_several_nodes_is_one_finding() -> None:
    found = [check("SHM301", "FAIL", node=f"n{n}", observed=f"{n} bytes") for n in range(3)]
    (one,) = _verdicts.findings(found)
    assert (one.where, one.ids, one.is_fold) == ("n0, n1, n2", "SHM301", False)


def test_one_cause_in_many_pods_is_one_finding() -> None:
    """Exec is forbidden, or the quota is used up: each pod has a message of its own, and a control fails with them."""
    words = 'undecided: cluster eu, container one of pod n/podshm-0123456789-{}: the API server answers 403: pods "podshm-0123456789-{}"'
    several = [
        check(f"SHM10{number}", "ERROR", "ExecForbidden", observed=words.format(role, role))
        for number, role in enumerate(("pair", "life-x", "volumes"))
    ]
    control = check(
        "SHM607",
        "ERROR",
        "ControlFailed",
        observed=f"undecided: cluster eu, SHM901 does not hold: {words.format('pair', 'pair')}",
    )
    (one,) = _verdicts.findings([control, *several, check("SHM301", "PASS")])
    assert (one.ids, one.check["reason"]) == ("SHM100..SHM607", "ExecForbidden")


def test_one_cause_of_a_cluster_with_a_comma_in_its_name() -> None:
    words = "undecided: cluster eu,1, container one of pod n/podshm-0123456789-pair: refused"
    control = f"undecided: cluster eu,1, SHM901 does not hold: {words}"
    assert ids(
        check("SHM102", "ERROR", "ControlFailed", observed=control), check("SHM101", "ERROR", "Timeout", observed=words)
    ) == ["SHM101..SHM102"]


def test_a_control_that_does_not_hold_is_a_cause_of_its_own() -> None:
    observed = "undecided: cluster eu, SHM901 does not hold: both are in one namespace"
    found = [check(i, "ERROR", "ControlFailed", observed=observed) for i in ("SHM101", "SHM102")]
    (one,) = _verdicts.findings(found)
    assert one.check["reason"] == "ControlFailed"


def test_many_ids_are_not_all_named() -> None:
    many = [check(f"SHM1{n:02}", "ERROR", "Timeout", observed="late") for n in range(9)]
    assert ids(*many, check("SHM301", "ERROR", "PodGone")) == ["SHM100, SHM101, SHM102 and 6 more", "SHM301"]


# ----------------------------------------------------------------------------------------------------- assertions


def test_all_hold() -> None:
    result = asserted(
        check("SHM101", "PASS"), check("SHM102", "WARN"), check("SHM103", "SKIP", "Forbidden"), status="WARN"
    )
    assert (result.is_failed, result.failed_checks) == (False, ())
    assert result.message == "cluster eu: 2 of 3 checks hold; SKIP SHM103 (Forbidden)"
    assert [line.text for line in result.lines] == [
        "eu n1: SHM101 PASS: Does it? observed SHM101",
        "eu n1: SHM102 WARN: Does it? observed SHM102",
        "eu n1: SHM103 SKIP Forbidden: Does it? observed SHM103",
    ]


@pytest.mark.parametrize(("verdict", "reason"), [("FAIL", ""), ("ERROR", "Timeout")])
def test_what_does_not_hold_is_one_line_without_evidence(verdict: str, reason: str) -> None:
    result = asserted(check("SHM101", "PASS"), check("SHM201", verdict, reason, runtime_class="kata"))
    words = f"{verdict} {reason}".rstrip()
    assert result.lines[1] == _verdicts.Line(
        f"eu n1 kata: SHM201 {words}: observed SHM201; expected: this; remedy: do that", is_bad=True
    )
    assert (result.is_failed, result.failed_checks) == (True, ("SHM201",))
    assert result.message == f"cluster eu: 1 of 2 checks does not hold: SHM201 {verdict}"


def test_without_verbosity_only_findings_have_lines() -> None:
    found = [
        check("SHM101", "PASS"),
        check("SHM201", "FAIL"),
        check("SHM301", "WARN"),
        check("SHM302", "SKIP", "NotVisible"),
    ]
    result = _verdicts.asserted("host", answer(*found), is_verbose=False)
    assert [line.text.split()[2] for line in result.lines] == ["SHM301", "SHM201"]
    assert len(_verdicts.asserted("host", answer(*found)).lines) == 4


@pytest.mark.parametrize(
    ("found", "check_mode", "message"),
    [
        (answer(check("SHM101", "PASS"), status="PASS"), False, ""),
        (answer(check("SHM101", "WARN"), status="WARN"), False, ""),
        (answer(check("SHM101", "SKIP", "CheckMode"), status="SKIP"), True, ""),
        (answer(check("SHM101", "SKIP", "CheckMode"), status="SKIP"), False, "SKIP: no check was decided"),
        (answer(check("SHM101", "FAIL"), check("SHM102", "PASS")), False, "FAIL: 1 of 2 checks do not hold"),
        (answer(*SAME, status="UNREACHABLE"), False, "UNREACHABLE"),
        ({"failed": True, "msg": "a long story"}, False, "ERROR"),
    ],
)
def test_a_cluster_in_brief(found: dict[str, t.Any], check_mode: bool, message: str) -> None:
    result = _verdicts.summarized("eu", found, check_mode)
    assert result.is_failed == bool(message)
    if message:
        assert result.message == f"cluster eu: {message}; the report says why"


@pytest.mark.parametrize(
    ("code", "words"), [(-9, "exit code -9 (SIGKILL, as when its"), (137, "exit code 137 (SIGKILL"), (3, "exit code 3")]
)
def test_a_module_that_died_without_a_word(code: int, words: str) -> None:
    found = {"failed": True, "msg": "MODULE FAILURE", "module_stdout": "", "module_stderr": "", "rc": code}
    assert words in _verdicts.message("eu", found)


def test_a_group_alone() -> None:
    checks = [check("SHM101", "PASS"), check("SHM201", "FAIL")]
    assert not asserted(*checks, group="sysv").is_failed
    assert len(asserted(*checks, group="sysv").lines) == 1
    assert asserted(*checks, group="posix").failed_checks == ("SHM201",)


def test_one_cause_is_one_line() -> None:
    result = asserted(*SAME, check("SHM403", "SKIP", "NotRequested"), status="ERROR")
    assert len(result.lines) == 2
    assert "SHM101..SHM201 ERROR ApiUnreachable: same" in result.lines[1].text
    assert result.message == "cluster eu: 3 of 4 checks do not hold: SHM101..SHM201 ERROR"
    assert result.failed_checks == ("SHM101", "SHM102", "SHM201")


def test_an_unreachable_cluster_is_one_message() -> None:
    result = asserted(*SAME, status="UNREACHABLE")
    assert (result.lines, result.message, result.is_failed) == ((), "cluster eu: message", True)


def test_no_check_is_no_pass() -> None:
    assert _verdicts.asserted("host", {}).is_failed
    assert _verdicts.asserted("host", {}).message == "cluster host: no check ran"
    wrong = _verdicts.asserted("host", {"msg": "cluster eu: wrong option: size_limit", "checks": []})
    assert (wrong.is_failed, wrong.message) == (True, "cluster eu: wrong option: size_limit")


def test_skip_alone_is_no_pass_but_in_check_mode() -> None:
    found = answer(check("SHM101", "SKIP", "CheckMode"), check("SHM403", "SKIP", "NotRequested"), status="ERROR")
    result = _verdicts.asserted("host", found)
    assert result.is_failed
    assert result.message == "cluster eu: 0 of 2 checks hold; SKIP SHM101 (CheckMode); SKIP SHM403 (NotRequested)"
    assert not _verdicts.asserted("host", found, check_mode=True).is_failed
    held = asserted(check("SHM101", "PASS"), check("SHM102", "WARN"), check("SHM403", "SKIP", "NotRequested"))
    assert (held.is_failed, held.message) == (False, "cluster eu: 2 of 3 checks hold; SKIP SHM403 (NotRequested)")


def test_a_group_that_the_answer_does_not_have_is_no_pass() -> None:
    result = asserted(check("SHM101", "PASS"), group="resize", status="PASS")
    assert (result.is_failed, result.message) == (True, "cluster eu: the answer has no check of the group resize")


def test_a_cluster_that_nothing_names_has_the_name_of_its_host() -> None:
    found = {"status": "PASS", "run": {"cluster": NO_NAME}, "checks": [check("SHM101", "PASS")]}
    assert _verdicts.asserted("eu-1", found).message == "cluster eu-1: 1 of 1 checks hold"
    assert _verdicts.summarized("eu-1", found, check_mode=False).message == "cluster eu-1: PASS"


def test_what_ansible_says_of_a_host_names_the_cluster() -> None:
    found = {"unreachable": True, "msg": "Failed to connect to the host via ssh"}
    assert _verdicts.message("eu", found) == "cluster eu: Failed to connect to the host via ssh"


#: What a module that died wrote -> what is said of it.
DIED: t.Final[tuple[tuple[str, str, str], ...]] = (
    # over ssh what kept the interpreter from starting is on stdout
    ("Shared connection to 10.0.0.1 closed.\r\n", "/bin/sh: 1: /usr/bin/python: not found\r\n",
     "/bin/sh: 1: /usr/bin/python: not found"),
    ("Warning: Permanently added 'eu'.\n** WARNING: no post-quantum key exchange\nConnection to eu closed.\n",
     "/bin/sh: python3: not found", "/bin/sh: python3: not found"),
    ("pyenv: python3.9: command not found\n\nNote: tips on\n python2 and python3.", "",
     "pyenv: python3.9: command not found ... python2 and python3."),
    ('  File "<stdin>", line 12\nSyntaxError: invalid syntax', "", "SyntaxError: invalid syntax"),
    ("Traceback (most recent call last):\n  File x\nKeyboardInterrupt", "", "KeyboardInterrupt"),
    # the message of another error can quote a secret
    ("Traceback (most recent call last):\nValueError: token hunter2", "", "ValueError"),
    ("Killed\n", "", "Killed"),
)  # fmt: skip


@pytest.mark.parametrize(("stderr", "stdout", "words"), DIED)
def test_what_kept_a_module_from_running(stderr: str, stdout: str, words: str) -> None:
    died = {"failed": True, "msg": "MODULE FAILURE", "module_stderr": stderr, "module_stdout": stdout, "rc": 127}
    assert _verdicts.message("eu", died) == f"cluster eu: the module did not run: {words}"


def test_a_module_that_only_ssh_speaks_of_wrote_nothing() -> None:
    died = {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "Shared connection to eu closed.", "rc": 137}
    assert "wrote nothing and ended with exit code 137 (SIGKILL" in _verdicts.message("eu", died)


def test_of_a_module_that_died_its_last_words() -> None:
    died = {"msg": "Module result deserialization failed", "module_stderr": "Traceback\nImportError: no StrEnum\n"}
    assert _verdicts.message("eu", died) == "cluster eu: the module did not run: ImportError: no StrEnum"


def test_nothing_from_a_cluster_reaches_the_terminal_raw() -> None:
    result = asserted(check("SHM101", "FAIL", observed="\x1b]0;title\x07a\nb"), msg="\x1b")
    assert all(line.text.isprintable() for line in result.lines)
    assert result.message.isprintable()
