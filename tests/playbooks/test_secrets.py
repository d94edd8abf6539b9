# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A secret in every source of one, at -vvvv, with servers that send back what they were sent: nothing of it is shown.

Each source is a host of the inventory, and has a value of its own. What is good with the same secrets on a real cluster
is in tests/cluster/test_secrets.py.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import typing as t
import urllib.parse
from pathlib import Path

import pytest
import yaml

SITE = "abcdesktopio.podshm.site"
PLUGIN = "client.authentication.k8s.io/v1"


class Echo(http.server.BaseHTTPRequestHandler):
    """An API server, or a proxy before one, that refuses everything and says why in the words of the request."""

    protocol_version = "HTTP/1.1"

    def refuse(self) -> None:
        status, is_open = self.server.outcome  # type: ignore[attr-defined]
        if is_open and self.path.startswith(("/version", "/api")) and "/nodes" not in self.path:
            return self.send(200, {"gitVersion": "v1.37.0", "major": "1", "minor": "37", "metadata": {"uid": "u"}})
        header = str(self.headers.get("Authorization") or self.headers.get("Proxy-Authorization"))
        word = header.rpartition(" ")[2]
        told = [header, json.dumps(dict(self.headers)), urllib.parse.quote(header, safe="")]
        told += [base64.b64encode(header.encode()).decode(), base64.b64encode(f"xy{word}".encode()).decode()]
        if header.startswith("Basic "):
            told.append(base64.b64decode(word).decode())
        message = "\x1b[31m refused {{ 7 * 7 }}\r\n\u202e " + " and ".join(told) + " of no use" * 100_000
        # behind it another one that is cut
        return self.send(status, {"kind": "Status", "message": message[: 330 - len(word)] + " " + word + message})

    def send(self, status: int, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = do_CONNECT = refuse

    def log_message(self, *_words: object) -> None:
        """Write nothing."""


@dataclasses.dataclass
class Servers:
    """Where a host can be led to, by outcome."""

    urls: dict[str, str]


@pytest.fixture(scope="module")
def servers() -> t.Iterator[Servers]:
    running = []
    urls = {}
    # what is refused: everything, or all that comes after the connection
    outcomes = {
        "401": (401, False),
        "403": (403, False),
        "500": (500, False),
        "later": (403, True),
        "407": (407, False),
    }
    for name, outcome in outcomes.items():
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        server.outcome = outcome  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        urls[name] = f"http://127.0.0.1:{server.server_address[1]}"
    urls["tls"] = urls["401"].replace("http:", "https:")
    urls["unreachable"] = "https://127.0.0.1:9"
    yield Servers(urls)
    for server in running:
        server.shutdown()
        server.server_close()


def kubeconfig(server: str, user: dict[str, t.Any], **cluster: t.Any) -> dict[str, t.Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }


def with_login(url: str, login: str) -> str:
    return url.replace("://", f"://{login}@")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def pem(text: str) -> str:
    # as long as a key is
    return f"-----BEGIN PRIVATE KEY-----\n{text}\n{'MHcCAQEEIJ4k' * 20}\n-----END PRIVATE KEY-----\n"


def plugin(stdout: str, stderr: str = "x", variable: str = "x", argument: str = "x", code: int = 0) -> dict[str, t.Any]:
    """A credential plugin that is given secrets and prints some."""
    answer = json.dumps({"apiVersion": PLUGIN, "kind": "ExecCredential", "status": {"token": stdout}})
    script = f"echo '{stderr}' >&2; echo '{answer}'; exit {code}"
    env = [{"name": "LOGIN_SECRET", "value": variable}]
    return {"apiVersion": PLUGIN, "command": "sh", "args": ["-c", script, "--password", argument], "env": env}


#: Source -> the variables of a host whose secrets are in it, from the URL of a server and a value.
SOURCES: t.Final[dict[str, t.Callable[[str, str], dict[str, t.Any]]]] = {
    "api_key": lambda url, value: {"podshm_host": url, "podshm_api_key": value},
    "kubeconfig_token": lambda url, value: {"podshm_kubeconfig": kubeconfig(url, {"token": value})},
    "kubeconfig_password": lambda url, value: {
        "podshm_kubeconfig": kubeconfig(url, {"username": "eve", "password": value})
    },
    "kubeconfig_key": lambda url, value: {
        "podshm_kubeconfig": kubeconfig(
            url, {"client-key-data": encoded(value), "client-certificate-data": encoded(f"c-{value}"), "token": value}
        )
    },
    "kubeconfig_provider": lambda url, value: {
        "podshm_kubeconfig": kubeconfig(url, {"auth-provider": {"name": "oidc", "config": {"id-token": value}}})
    },
    "plugin_stdout": lambda url, value: {"podshm_kubeconfig": kubeconfig(url, {"exec": plugin(value)})},
    "plugin_stderr": lambda url, value: {"podshm_kubeconfig": kubeconfig(url, {"exec": plugin("x", value, code=1)})},
    "plugin_environment": lambda url, value: {
        "podshm_kubeconfig": kubeconfig(url, {"exec": plugin(value, "x", value)})
    },
    "plugin_argument": lambda url, value: {
        "podshm_kubeconfig": kubeconfig(url, {"exec": plugin(value, "x", "x", value)})
    },
    "server_url": lambda url, value: {
        "podshm_kubeconfig": kubeconfig(with_login(url, f"eve:{value}"), {"token": value})
    },
    "server_url_encoded": lambda url, value: {"podshm_host": with_login(url, f"eve:%40{value}")},
    "server_url_broken": lambda url, value: {"podshm_host": with_login(url, f"eve:/{value}")},
    "proxy": lambda url, value: {
        "podshm_host": "http://cluster.invalid",
        "podshm_proxy": with_login(url, f"eve:{value}"),
    },
    "proxy_of_kubeconfig": lambda url, value: {
        "podshm_kubeconfig": kubeconfig("https://cluster.invalid", {}, **{"proxy-url": with_login(url, f"eve:{value}")})
    },
    "proxy_without_package": lambda url, value: {
        "podshm_host": url,
        "podshm_proxy": f"socks5://eve:{value}@127.0.0.1:9",
    },
    "proxy_without_scheme": lambda url, value: {
        "podshm_host": "http://cluster.invalid",
        "podshm_proxy": f"eve:{value}@127.0.0.1:1",
    },
    "kubeconfig_as_text": lambda url, value: {"podshm_kubeconfig": yaml.safe_dump(kubeconfig(url, {"token": value}))},
    "kubeconfig_as_json": lambda url, value: {"podshm_kubeconfig": " " + json.dumps(kubeconfig(url, {"token": value}))},
    "kubeconfig_as_base64": lambda url, value: {
        "podshm_kubeconfig": encoded(json.dumps(kubeconfig(url, {"token": value})))
    },
    "key_for_its_file": lambda url, value: {
        "podshm_host": url,
        "podshm_client_cert": "/c",
        "podshm_client_key": encoded(pem(value)),
    },
    "key_for_its_file_in_kubeconfig": lambda url, value: {
        "podshm_kubeconfig": kubeconfig(url, {"client-certificate": "/c", "client-key": encoded(pem(value))})
    },
    "token_for_its_file": lambda url, value: {"podshm_kubeconfig": kubeconfig(url, {"tokenFile": value})},
    "number": lambda url, value: {"podshm_kubeconfig": kubeconfig(url, {"token": value, "password": 12345678})},
    "template": lambda url, value: {"podshm_host": url, "podshm_api_key": f"{value}{{{{ of_nobody }}}}"},
    "template_broken": lambda url, value: {"podshm_host": url, "podshm_api_key": f"{value}{{{{"},
    "line_break": lambda url, value: {"podshm_host": url, "podshm_api_key": f"{value}\nx"},
    "unknown": lambda url, value: {"podshm_host": url, "podshm_api_key": value, "podshm_unknown": 1},
}


#: All of them send back what they were sent, but for the last three.
OUTCOMES: t.Final = ("403", "later", "500", "401", "407", "tls", "unreachable")


def planted(source: str, outcome: str) -> str:
    # no part of one is a part of another
    return f"{hashlib.sha256(source.encode()).hexdigest()[:14]}/{outcome}+&9Q"


def forms(value: str) -> set[str]:
    """How a value could be read in an output."""
    found = {
        value,
        urllib.parse.quote(value),
        urllib.parse.quote(value, safe=""),
        value.lower(),
        value.replace("/", "\\/"),
    }
    # what its own part is of the base64 of anything that it stands in
    found |= {base64.b64encode((before + value).encode()).decode()[8:-6] for before in ("", "x", "xy")}
    # half of it
    return {part for form in found for part in (form, form[: len(form) * 2 // 3])}


def run(tmp: Path, hosts: dict[str, t.Any], playbook: str = SITE, **environment: str) -> dict[str, str]:
    """Everything that can be read after a run of the playbook at -vvvv, by where it is."""
    inventory = tmp / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}), "utf-8")
    foreign = ("K8S_AUTH_", "KUBE", "ANSIBLE_")
    usual = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    usual |= {key: os.environ[key] for key in ("ANSIBLE_COLLECTIONS_PATH",) if key in os.environ}
    usual |= {"HOME": str(tmp), "ANSIBLE_HOME": str(tmp / "ansible"), "ANSIBLE_LOG_PATH": str(tmp / "log")}
    variables = json.dumps({"podshm_reports": str(tmp / "reports"), "podshm_checks": ["SHM301"], "podshm_timeout": 5})
    arguments = ["--inventory", str(inventory), "--extra-vars", variables, "--forks", "10", "-vvvv"]
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", playbook, *arguments],
        cwd=tmp,
        env=usual | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    read = {"stdout": done.stdout, "stderr": done.stderr}
    read |= {file.name: file.read_text("utf-8") for file in [tmp / "log", *tmp.glob("reports/*")]}
    for host in hosts if playbook == SITE else ():
        assert json.loads((tmp / "reports" / f"{host}.json").read_text("utf-8"))["cluster"] == host
    return read


def leaks(read: dict[str, str], values: t.Iterable[str]) -> list[str]:
    """The values that can be read, where, and in which words."""
    found = []
    for value in values:
        # each once is enough to see it
        for where, text in read.items():
            for form in forms(value):
                if form in text:
                    at = text.index(form)
                    found.append(f"{value} in {where}: {text[max(0, at - 100) : at + 60]!r}")
    return found


def test_no_secret_of_any_source_is_shown(servers: Servers, tmp_path: Path) -> None:
    hosts = {}
    values = []
    for number, (source, variables) in enumerate(SOURCES.items()):
        for outcome in OUTCOMES if source == "api_key" else [OUTCOMES[number % 3]]:
            value = planted(source, outcome)
            values.append(value)
            hosts[f"{source}-{outcome}"] = variables(servers.urls[outcome], value)
    token = tmp_path / "token"
    token.write_text(planted("token_file", "403"), "utf-8")
    hosts["token_file"] = {"podshm_kubeconfig": kubeconfig(servers.urls["403"], {"tokenFile": str(token)})}
    whole = tmp_path / "kubeconfig"
    whole.write_text(yaml.safe_dump(kubeconfig(servers.urls["403"], {"token": planted("file", "403")})), "utf-8")
    hosts["file"] = {"podshm_kubeconfig": str(whole)}
    read = run(tmp_path, hosts)
    shown = leaks(read, [*values, planted("token_file", "403"), planted("file", "403")])
    assert not shown, "\n".join(shown)
    # the servers did send something back, and nothing of it is more than text
    assert "refused {{ 7 * 7 }}" in read["stdout"]
    assert "\x1b[31m refused" not in read["stdout"] + read["stderr"]
    assert "Traceback" not in read["stdout"] + read["stderr"]
    assert max(len(text) for name, text in read.items() if name.endswith(".json")) < 100_000


def test_no_secret_of_the_environment_is_shown(servers: Servers, tmp_path: Path) -> None:
    value = planted("environment", "403")
    accounts = {
        "K8S_AUTH_HOST": with_login(servers.urls["403"], f"eve:H{value}"),
        "K8S_AUTH_API_KEY": f"K{value}",
        "K8S_AUTH_PASSWORD": f"P{value}",
        "K8S_AUTH_USERNAME": "eve",
        "K8S_AUTH_PROXY_HEADERS_BASIC_AUTH": f"eve:B{value}",
        "K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH": f"eve:Q{value}",
        "HTTP_PROXY": with_login(servers.urls["407"], f"eve:W{value}"),
        "https_proxy": with_login(servers.urls["407"], f"eve:S{value}"),
        "ALL_PROXY": with_login(servers.urls["407"], f"eve:A{value}"),
        "NO_PROXY": "127.0.0.1",
    }
    # beside the options of a host it does not count, and is not shown either
    hosts = {"silent": {}, "other": {"podshm_kubeconfig": kubeconfig("https://cluster.invalid", {"token": value})}}
    shown = leaks(run(tmp_path, hosts, **accounts), [value, *(f"{letter}{value}" for letter in "HKPBQWSA")])
    assert not shown, "\n".join(shown)


def test_no_secret_of_the_options_of_a_module_is_shown(servers: Servers, tmp_path: Path) -> None:
    values = {name: planted(name, "403") for name in ("password", "basic", "proxy_basic", "host", "proxy", "key")}
    key = tmp_path / "key"
    key.write_text(values["key"], "utf-8")
    headers = {"basic_auth": f"eve:{values['basic']}", "proxy_basic_auth": f"eve:{values['proxy_basic']}"}
    options = {
        "cluster": "c",
        "host": with_login(servers.urls["403"], f"eve:{values['host']}"),
        "username": "eve",
        "password": values["password"],
        "proxy_headers": headers,
    }
    proxy = with_login(servers.urls["407"], f"eve:{values['proxy']}")
    tasks = [
        {"abcdesktopio.podshm.shm_check": options, "ignore_errors": True},
        {"abcdesktopio.podshm.shm_probe": {**options, "proxy": proxy}, "ignore_errors": True},
        {"abcdesktopio.podshm.shm_size": {**options, "validate_certs": "perhaps"}, "ignore_errors": True},
        {
            "abcdesktopio.podshm.shm_size": {
                "host": servers.urls["403"],
                "client_key": str(key),
                "client_cert": str(key),
            },
            "ignore_errors": True,
        },
    ]
    here = {"connection": "local", "vars": {"ansible_python_interpreter": sys.executable}}
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, **here, "tasks": tasks}]), "utf-8")
    read = run(tmp_path, {"c": {}}, str(playbook))
    assert read["stdout"].count("ignored=4") == 1, read["stdout"]
    shown = leaks(read, values.values())
    assert not shown, "\n".join(shown)
