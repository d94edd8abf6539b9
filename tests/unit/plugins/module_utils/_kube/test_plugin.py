# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import os
import pathlib
import threading
import time
import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import plugin
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._secrets import KNOWN

SECRET = "correct-horse-battery-staple"
VERSION = "client.authentication.k8s.io/v1"


def credential(**status: str) -> dict[str, t.Any]:
    return {"apiVersion": VERSION, "kind": "ExecCredential", "status": status}


def provided(script: str, **config: t.Any) -> dict[str, t.Any]:
    """What a script gives as a credential plugin."""
    config = {"apiVersion": VERSION, "command": "/bin/sh", "args": ["-c", script], **config}
    cluster = {"server": "https://h", "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": 1}]}
    return plugin._Provider(plugin.Plugins(), config, "", cluster).run()


def printing(answer: object) -> str:
    return f"printf %s '{json.dumps(answer)}'"


def test_what_a_plugin_gives_is_secret() -> None:
    given = credential(token=SECRET, expirationTimestamp="2026-01-01T00:00:00Z")
    assert provided(printing(given)) == given["status"]
    assert KNOWN.hidden(f"{SECRET} 2026-01-01T00:00:00Z") == "******** 2026-01-01T00:00:00Z"


def test_what_a_plugin_is_given(tmp_path: pathlib.Path) -> None:
    config = {"env": [{"name": "PROFILE", "value": "eu"}], "provideClusterInfo": True}
    provided(
        f'echo "$KUBERNETES_EXEC_INFO $PROFILE" > {tmp_path}/given; {printing(credential(token=SECRET))}', **config
    )
    info, _blank, profile = (tmp_path / "given").read_text().strip().rpartition(" ")
    assert profile == "eu"
    assert json.loads(info) == {
        "apiVersion": VERSION,
        "kind": "ExecCredential",
        "spec": {"interactive": False, "cluster": {"server": "https://h", "config": 1}},
    }


def test_a_plugin_is_given_the_authority_that_is_in_a_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "ca").write_text("-----BEGIN CERTIFICATE-----\n")
    cluster = {"server": "https://h", "certificate-authority": str(tmp_path / "ca")}
    provider = plugin._Provider(plugin.Plugins(), {"provideClusterInfo": True}, "", cluster)
    assert provider._info()["spec"]["cluster"] == {
        "server": "https://h",
        "certificate-authority-data": base64.b64encode(b"-----BEGIN CERTIFICATE-----\n").decode(),
    }


@pytest.mark.parametrize("env", [[{"name": "EMPTY", "value": None}], [{"name": "EMPTY"}]])
def test_a_variable_without_a_value_is_empty(env: list[dict[str, t.Any]]) -> None:
    script = f'test "${{EMPTY+set}}$EMPTY" = set && {printing(credential(token=SECRET))}'
    assert provided(script, env=env) == {"token": SECRET}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"env": "x"}, "sh cannot be run: its env is not a list of names and values"),
        ({"env": [{"value": "x"}]}, "sh cannot be run: its env is not a list of names and values"),
        ({"command": None}, "has no command"),
    ],
)
def test_a_plugin_that_is_wrong_is_no_reason_to_ask_as_nobody(config: dict[str, t.Any], words: str) -> None:
    with pytest.raises(plugin.PluginError, match=words):
        provided(printing(credential(token=SECRET)), **config)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (f"echo {SECRET} >&2; exit 3", "sh ended with 3"),
        (f"echo {SECRET}", "did not print an ExecCredential"),
        ("echo '[1]'", "did not print an ExecCredential"),
        (printing({"apiVersion": VERSION}), "did not print an ExecCredential"),
        (printing({**credential(token=SECRET), "apiVersion": SECRET}), "another apiVersion"),
        (printing(credential(clientCertificateData=SECRET)), "neither a token nor a certificate"),
        ("yes", "wrote too much"),
        ("kill -9 $$", "sh ended with -9"),
    ],
)
def test_a_plugin_that_gives_nothing(script: str, words: str) -> None:
    with pytest.raises(plugin.PluginError, match=words) as caught:
        provided(script)
    assert SECRET not in str(caught.value)


def test_a_plugin_that_is_not_there() -> None:
    with pytest.raises(plugin.PluginError, match="plugin cannot be run: No such file or directory: /no/plugin"):
        provided("", command="/no/plugin")


@pytest.mark.parametrize(
    "script",
    [
        "exec sleep 60",
        "sleep 60 & wait",
        # it ends itself, and leaves its output to another
        "sleep 60 & exit",
        # it closes its output and stays
        "exec >&-; exec sleep 60",
        "trap '' TERM INT HUP; while :; do sleep 1; done",
    ],
)
def test_a_plugin_that_hangs_is_killed_with_what_it_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, script: str
) -> None:
    monkeypatch.setattr(plugin, "_SECONDS", 1)
    began = time.monotonic()
    with pytest.raises(plugin.PluginError, match="sh did not end within 1 s, and was killed"):
        provided(f"echo $$ > {tmp_path}/group; {script}")
    assert time.monotonic() - began < 5
    group = int((tmp_path / "group").read_text())
    assert alive(group) == []


def alive(group: int) -> list[str]:
    """The processes of a group that still run, after a moment."""
    until = time.monotonic() + 5
    while True:
        found = []
        for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                _pid, _bracket, rest = status.read_text().rpartition(")")
            except OSError:
                continue
            state, _parent, of_group, *_others = rest.split()
            if int(of_group) == group and state != "Z":
                found.append(status.parent.name)
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.05)


def test_a_key_of_a_plugin_is_secret_line_by_line() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMHcCAQEEIJ4kq\n-----END PRIVATE KEY-----\n"
    provided(printing(credential(clientCertificateData="public-certificate", clientKeyData=key)))
    assert KNOWN.hidden("MHcCAQEEIJ4kq public-certificate") == "******** public-certificate"
    assert "********" in KNOWN.hidden(base64.b64encode(key.encode()).decode())


def test_plugins_that_run_are_ended_together() -> None:
    plugins = plugin.Plugins()
    assert plugins.end() == ""
    errors: list[str] = []

    def run() -> None:
        try:
            plugins.output(["/bin/sleep", "60"], dict(os.environ), "")
        except plugin.PluginError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=run) for _unused in range(2)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 10
    while len(plugins._running) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert plugins.end() == "sleep"
    for thread in threads:
        thread.join(10)
    assert len(errors) == 2
    assert set(errors) == {"sleep ended with -9 (what it wrote to stderr is not shown)"}
