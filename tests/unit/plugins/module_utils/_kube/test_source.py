# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import os
import pathlib
import typing as t

import pytest
import yaml

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube import source
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._secrets import KNOWN

SECRET = "correct-horse-battery-staple"


def with_key(data: str) -> dict[str, t.Any]:
    return {
        "clusters": [{"name": "c", "cluster": {"server": "https://h"}}],
        "users": [{"name": "u", "user": {"client-key-data": data}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


def with_user(**fields: t.Any) -> str:
    content = kubeconfig("k")
    content["users"][0]["user"] |= fields
    return yaml.safe_dump(content)


def with_cluster(**fields: t.Any) -> str:
    content = kubeconfig("k")
    content["clusters"][0]["cluster"] |= fields
    return yaml.safe_dump(content)


def kubeconfig(name: str, current: str | None = None, **changes: t.Any) -> dict[str, t.Any]:
    """A kubeconfig of one cluster; the user is called admin everywhere, as kubeadm has it."""
    return {
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}:6443", "certificate-authority": "ca.crt"}}],
        "users": [{"name": "admin", "user": {"token": f"token-of-{name}", **changes}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "admin"}}],
        "current-context": name if current is None else current,
    }


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    for name in ("a", "b"):
        (tmp_path / name).write_text(yaml.safe_dump(kubeconfig(name)))
    (tmp_path / "empty").write_text(yaml.safe_dump(kubeconfig("e", current="")))
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(yaml.safe_dump(kubeconfig("usual")))
    return tmp_path


def resolve(home: pathlib.Path, environment: dict[str, str] | None = None, **params: t.Any) -> source.Source:
    """The source; a path with {} stands for the home."""
    filled = {name: value.format(home) if isinstance(value, str) else value for name, value in params.items()}
    variables = {name: value.format(home) for name, value in (environment or {}).items()}
    return source.resolve(filled, {"HOME": str(home), **variables})


def who(chosen: source.Source) -> tuple[str, t.Any]:
    """The server, and the token that is sent there."""
    return chosen.server, chosen.kubeconfig["users"][0]["user"].get("token")


AWX = {"K8S_AUTH_HOST": "https://awx", "K8S_AUTH_API_KEY": "token-of-awx", "K8S_AUTH_VERIFY_SSL": "false"}
IN_A = ("https://a:6443", "token-of-a")
IN_B = ("https://b:6443", "token-of-b")


@pytest.mark.parametrize("said", [{"kubeconfig": "{}/b"}, {"kubeconfig": "{}/b", "context": "b"}])
@pytest.mark.parametrize(
    "environment", [AWX, {"K8S_AUTH_HOST": "https://awx"}, {"K8S_AUTH_CONTEXT": "a"}, {"KUBECONFIG": "{}/a"}]
)
def test_what_the_options_say_is_all_that_counts(
    home: pathlib.Path, said: dict[str, str], environment: dict[str, str]
) -> None:
    chosen = resolve(home, environment, **said)
    assert who(chosen) == IN_B
    assert "insecure-skip-tls-verify" not in chosen.kubeconfig["clusters"][0]["cluster"]
    assert str(chosen) == f"https://b:6443 (context b of kubeconfig {home}/b)"


def test_the_environment_counts_completely_where_options_say_nothing(home: pathlib.Path) -> None:
    chosen = resolve(home, {**AWX, "KUBECONFIG": "{}/a"})
    assert who(chosen) == ("https://awx", "token-of-awx")
    assert chosen.kubeconfig["clusters"][0]["cluster"]["insecure-skip-tls-verify"] is True
    assert str(chosen) == ("https://awx (the environment: K8S_AUTH_HOST, K8S_AUTH_API_KEY, K8S_AUTH_VERIFY_SSL)")


@pytest.mark.parametrize(
    ("environment", "expected", "context"),
    [
        ({"KUBECONFIG": "{0}/a:{0}/b"}, IN_A, "a"),
        ({"KUBECONFIG": "{0}/b:{0}/a"}, IN_B, "b"),
        ({"KUBECONFIG": "{0}/missing:{0}/b"}, IN_B, "b"),
        ({"KUBECONFIG": "{0}/empty:{0}/b"}, ("https://b:6443", "token-of-e"), "b"),
        ({"KUBECONFIG": "{0}/a:{0}/empty"}, IN_A, "a"),
        ({}, ("https://usual:6443", "token-of-usual"), "usual"),
        ({"K8S_AUTH_KUBECONFIG": "{0}/a", "KUBECONFIG": "{0}/b"}, IN_A, "a"),
        ({"K8S_AUTH_HOST": "", "KUBECONFIG": "{0}/b"}, IN_B, "b"),
        # a pod: its own cluster is the last place
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443", "KUBECONFIG": "{0}/b"}, IN_B, "b"),
    ],
)
def test_it_is_as_with_kubectl(
    home: pathlib.Path, environment: dict[str, str], expected: tuple[str, str], context: str
) -> None:
    chosen = resolve(home, environment)
    assert (who(chosen), chosen.context) == (expected, context)


def test_the_first_entry_of_a_name_counts(home: pathlib.Path) -> None:
    chosen = resolve(home, kubeconfig="{0}/a:{0}/b", context="b")
    # kubectl, too, has one user of the name admin: that of the first file
    assert who(chosen) == ("https://b:6443", "token-of-a")


def test_paths_are_relative_to_their_own_file(home: pathlib.Path) -> None:
    (home / "sub").mkdir()
    user: dict[str, t.Any] = {"client-certificate": "c.pem", "client-key": "/abs/k.pem", "exec": {"command": "./login"}}
    (home / "sub" / "k").write_text(yaml.safe_dump(kubeconfig("k", **user)))
    chosen = resolve(home, kubeconfig=f"{home}/a:{home}/sub/k", context="k").kubeconfig
    assert chosen["clusters"][0]["cluster"]["certificate-authority"] == f"{home}/sub/ca.crt"
    chosen = resolve(home, kubeconfig="{}/sub/k").kubeconfig
    assert chosen["users"][0]["user"] == {
        "token": "token-of-k",
        "client-certificate": f"{home}/sub/c.pem",
        "client-key": "/abs/k.pem",
        "exec": {"command": f"{home}/sub/./login"},
    }


def test_a_pod_is_its_own_cluster_where_nothing_else_is_said(
    home: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".kube" / "config").unlink()
    (home / "token").write_text("token-of-pod")
    monkeypatch.setattr(source, "_SERVICE_ACCOUNT", str(home))
    pod = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    chosen = resolve(home, pod)
    assert str(chosen) == "https://[fd00::1]:443 (the service account of this pod)"
    assert chosen.kubeconfig["users"][0]["user"] == {"token": "token-of-pod"}
    # host goes before it, and gets none of its credentials
    chosen = resolve(home, pod, host="https://b:6443")
    assert (chosen.server, chosen.kubeconfig["users"][0]["user"]) == ("https://b:6443", {})
    # the pod's own cluster has no context of that name
    with pytest.raises(Inconclusive, match="there is no such file"):
        resolve(home, pod, context="b")


def test_options_replace_what_the_kubeconfig_says(home: pathlib.Path) -> None:
    chosen = resolve(home, kubeconfig="{}/a", host="https://proxy:8443/", ca_cert="/ca", api_key="mine")
    assert who(chosen) == ("https://proxy:8443", "mine")
    assert chosen.kubeconfig["clusters"][0]["cluster"] == {
        "server": "https://proxy:8443",
        "certificate-authority": "/ca",
    }
    # nothing of the user that they replace matters
    old = kubeconfig("a", token=None, tokenFile="/none")
    old["users"][0]["user"]["auth-provider"] = {"name": "gcp"}
    assert who(resolve(home, kubeconfig=old, api_key="mine")) == ("https://a:6443", "mine")
    chosen = resolve(home, kubeconfig="{}/a", client_cert="/c", client_key="/k")
    assert chosen.kubeconfig["users"][0]["user"] == {"client-certificate": "/c", "client-key": "/k"}
    chosen = resolve(home, kubeconfig="{}/a", validate_certs=False)
    assert chosen.kubeconfig["clusters"][0]["cluster"] == {"server": "https://a:6443", "insecure-skip-tls-verify": True}


def test_what_the_client_gets_beside_the_kubeconfig(home: pathlib.Path) -> None:
    user: dict[str, t.Any] = {"as": "jane", "as-groups": ["dev"]}
    content = kubeconfig("a", **user)
    content["clusters"][0]["cluster"]["proxy-url"] = "http://p:1"
    assert resolve(home, kubeconfig=content).beside == {
        "proxy": "http://p:1",
        "impersonate_user": "jane",
        "impersonate_groups": ["dev"],
        "no_proxy": "",
    }
    chosen = resolve(home, kubeconfig=content, proxy="http://q:2", impersonate_user="joe")
    assert chosen.beside == {"proxy": "http://q:2", "impersonate_user": "joe", "no_proxy": ""}
    chosen = resolve(
        home, {"K8S_AUTH_KUBECONFIG": "{}/a", "K8S_AUTH_IMPERSONATE_GROUPS": "x,y", "K8S_AUTH_IMPERSONATE_USER": "u"}
    )
    assert chosen.beside == {
        "impersonate_user": "u",
        "impersonate_groups": ["x", "y"],
        "proxy": "",
        "no_proxy": "",
    }


@pytest.mark.parametrize(
    ("params", "environment", "reason", "words"),
    [
        ({"api_key": SECRET}, {}, "AmbiguousCluster", "api_key is set, but neither host nor kubeconfig"),
        (
            {"api_key": SECRET},
            AWX,
            "AmbiguousCluster",
            "K8S_AUTH_API_KEY, K8S_AUTH_VERIFY_SSL of the environment does not count",
        ),
        ({"context": "a", "api_key": SECRET}, {}, "AmbiguousCluster", "api_key is set"),
        ({"host": "https://h", "context": "a"}, {}, "AmbiguousCluster", "whose credentials are meant?"),
        ({"host": "https://h", "username": "u"}, {}, "AmbiguousCluster", "username and password belong together"),
        ({"kubeconfig": "{}/a", "client_cert": "/c"}, {}, "AmbiguousCluster", "client_cert and client_key belong"),
        ({}, {"K8S_AUTH_API_KEY": SECRET}, "AmbiguousCluster", "api_key is set"),
        ({"kubeconfig": "{}/empty"}, {}, "BadKubeconfig", "it has no current context"),
        ({"kubeconfig": "{}/a", "context": "usal"}, {}, "BadKubeconfig", "there is no context usal"),
        ({"context": "usul"}, {}, "BadKubeconfig", "did you mean usual?"),
        ({"kubeconfig": "{}/none"}, {}, "BadKubeconfig", "there is no such file"),
        ({"kubeconfig": "{}/none"}, {"KUBECONFIG": "{}/a"}, "BadKubeconfig", "there is no such file"),
        ({}, {"KUBECONFIG": "{}/none"}, "BadKubeconfig", "there is no such file"),
        ({"kubeconfig": f"users:\n{SECRET}"}, {}, "BadKubeconfig", "it is text; give a path or a mapping"),
        ({"kubeconfig": {"users": SECRET}}, {}, "BadKubeconfig", "users is not a list of entries"),
        (
            {"kubeconfig": with_key("not base64!")},
            {},
            "BadKubeconfig",
            "client-key-data of the user u is not the base64",
        ),
        ({"kubeconfig": with_key("/w==")}, {}, "BadKubeconfig", "client-key-data of the user u is not the base64"),
        ({"host": "10.0.0.1:6443"}, {}, "BadKubeconfig", "the server 10.0.0.1:6443 is not a URL"),
        # options that name no cluster, beside an environment that does
        *(
            (options, environment, "AmbiguousCluster", f"{words} set in the environment: which cluster do you mean?")
            for options in ({"validate_certs": False}, {"proxy": "http://p"}, {"impersonate_user": "u"})
            for environment, words in (
                (AWX, "K8S_AUTH_HOST is"),
                (
                    {"K8S_AUTH_KUBECONFIG": "{}/a", "K8S_AUTH_CONTEXT": "a"},
                    "K8S_AUTH_KUBECONFIG and K8S_AUTH_CONTEXT are",
                ),
            )
        ),
        ({"context": "usual"}, {"K8S_AUTH_KUBECONFIG": "{}/a"}, "AmbiguousCluster", "K8S_AUTH_KUBECONFIG is set in"),
    ],
)
def test_what_is_not_clear_is_an_error_before_any_request(
    home: pathlib.Path, params: dict[str, t.Any], environment: dict[str, str], reason: str, words: str
) -> None:
    with pytest.raises(Inconclusive) as caught:
        resolve(home, environment, **params)
    assert words in str(caught.value)
    assert caught.value.reason == reason
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"a: [{SECRET}", "it is not YAML (line 1)"),
        (SECRET, "there is no mapping in it"),
        ("clusters: [x]", "clusters is not a list of entries"),
        ("contexts: [{name: c, context: {cluster: k}}]\ncurrent-context: c", "there is no cluster k of the context c"),
        (yaml.safe_dump(kubeconfig("k", **{"as-uid": "7"})), "as-uid of the user admin is not supported"),
        (yaml.safe_dump({**kubeconfig("k"), "clusters": [{"name": "k"}]}), "the cluster k has no server"),
        (yaml.safe_dump({**kubeconfig("k"), "users": []}), "there is no user admin of the context k"),
        ("", "it has no current context"),
        *(
            (
                yaml.safe_dump({**kubeconfig("k"), part: kubeconfig("k")[part] * 2}),
                f"several {part} have the name {name}",
            )
            for part, name in (("clusters", "k"), ("users", "admin"), ("contexts", "k"))
        ),
        *(
            (
                with_user(**{"auth-provider": {"name": name}}),
                f"the auth-provider {name} of the user",
            )
            for name in ("gcp", "azure", "openstack")
        ),
        (yaml.safe_dump(kubeconfig("k", exec=SECRET)), "exec of the user admin is not a mapping"),
        (
            yaml.safe_dump(kubeconfig("k", **{"as": "u", "as-groups": "dev"})),
            "as-groups of the user admin is not a list",
        ),
        # it would be true
        (with_cluster(**{"insecure-skip-tls-verify": "false"}), "insecure-skip-tls-verify of the cluster k is neither"),
        # 83
        (yaml.safe_dump(kubeconfig("k")).replace("token-of-k", "0123"), "token of the user admin is no text"),
    ],
)
def test_files_that_are_no_kubeconfig(home: pathlib.Path, text: str, words: str) -> None:
    (home / "k").write_text(text)
    with pytest.raises(Inconclusive) as caught:
        resolve(home, kubeconfig="{}/k")
    assert words in str(caught.value)
    assert caught.value.reason is Reason.BAD_KUBECONFIG
    assert SECRET not in str(caught.value)


def test_a_file_that_cannot_be_read(home: pathlib.Path) -> None:
    with pytest.raises(Inconclusive, match="Is a directory"):
        resolve(home, kubeconfig="{}/.kube")
    (home / "k").write_bytes(b"\xff\xfe")
    with pytest.raises(Inconclusive, match="UnicodeDecodeError"):
        resolve(home, kubeconfig="{}/k")


def test_no_secret_is_in_words(home: pathlib.Path) -> None:
    chosen = resolve(home, host=f"https://user:{SECRET}@h:6443", api_key=SECRET)
    assert chosen.shown_server == "https://h:6443"
    assert SECRET not in f"{chosen} {chosen!r}"


def test_a_user_is_not_needed(home: pathlib.Path) -> None:
    content = kubeconfig("a")
    del content["contexts"][0]["context"]["user"]
    assert resolve(home, kubeconfig=content).kubeconfig["users"][0]["user"] == {}
    assert content["users"][0]["user"] == {"token": "token-of-a"}


@pytest.mark.parametrize(
    ("user", "options"), [({"as-groups": ["dev"]}, {}), ({"token": SECRET}, {"impersonate_groups": ["dev"]})]
)
def test_groups_without_a_user_are_not_left_out_silently(user: dict[str, t.Any], options: dict[str, t.Any]) -> None:
    """Kubectl refuses it, and the client would act with rights that are not the ones that were named."""
    kubeconfig = {
        "clusters": [{"name": "c", "cluster": {"server": "https://h:6443"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    with pytest.raises(Inconclusive, match="groups to impersonate, and no user") as caught:
        source.resolve({"kubeconfig": kubeconfig, **options}, {})
    assert caught.value.reason is Reason.BAD_KUBECONFIG


# ------------------------------------------------------------------------------ secrets

PLUGIN = {
    "command": "get-token",
    "args": ["get", "--cluster", "production", "--token", "secret-2", "--password=secret-3", "https://u:secret-4@h"],
    "env": [{"name": "PROFILE", "value": "production"}, {"name": "API_TOKEN", "value": "secret-1"}],
}


#: Of two plugins; "webhook" and "disk" are words that reports are full of.
INNOCENT = {
    "args": [
        "--concierge-authenticator-type=webhook",
        "--concierge-authenticator-name=default",
        "--token-cache-storage",
        "disk",
        "--use-keyring=false",
    ],
    "env": [{"name": "TOKEN_FILE", "value": "/home/me/token"}, {"name": "VAULT_SECRET_ID", "value": "secret-1"}],
}


@pytest.mark.parametrize(
    ("kubeconfig", "secrets"),
    [
        (None, set()),
        ("/home/me/kubeconfig", set()),
        ("users:\n- token: secret-1", {"users:\n- token: secret-1"}),
        ({}, set()),
        ({"users": None, "contexts": [{"name": "production"}]}, set()),
        ({"users": "secret-1"}, {"secret-1"}),
        ({"users": ["secret-1"]}, {"secret-1"}),
        ({"users": [{"name": "production", "user": None}]}, set()),
        ({"users": [{"name": "u", "user": "secret-1"}]}, {"secret-1"}),
        ({"users": [{"name": "u", "user": {"token": "secret-1", "username": "somebody"}}]}, {"secret-1"}),
        ({"users": [{"user": {"client-key-data": "secret-1", "client-key": "/home/me/key"}}]}, {"secret-1"}),
        ({"users": [{"user": {"auth-provider": {"config": {"refresh": "secret-1"}}}}]}, {"secret-1"}),
        ({"users": [{"user": {"unheard-of": ["secret-1", 12345678]}}]}, {"secret-1", "12345678"}),
        ({"users": [{"user": {"exec": PLUGIN}}]}, {*(f"secret-{n}" for n in (1, 2, 3, 4)), "u:secret-4"}),
        ({"users": [{"user": {"exec": INNOCENT}}]}, {"secret-1"}),
        ({"users": [{"user": {"exec": {"env": "x", "args": 1}}}, {"user": {"exec": "secret-1"}}]}, {"secret-1"}),
        ({"clusters": [{"cluster": {"server": "https://u:secret-1@h"}}, "x"]}, {"u:secret-1", "secret-1"}),
        ({"clusters": [{"cluster": {"proxy-url": "http://h:1"}}]}, set()),
        ('{"users": [{"token": "secret-1"}]}', {'{"users": [{"token": "secret-1"}]}'}),
        ("c2VjcmV0" * 40, {"c2VjcmV0" * 40}),
    ],
)
def test_what_is_secret_in_a_kubeconfig(kubeconfig: t.Any, secrets: set[str]) -> None:
    assert source.kubeconfig_secrets(kubeconfig) == secrets


def test_secrets_are_known_before_anything_is_said(home: pathlib.Path) -> None:
    """Of what counts and of what does not, of files that the client reads, and of a kubeconfig that is none."""
    (home / "token").write_text("secret-of-a-file\n")
    (home / "wrong").write_text(yaml.safe_dump({"users": [{"user": {"token": "secret-of-wrong"}}], "clusters": "x"}))
    resolve(
        home,
        {"K8S_AUTH_API_KEY": "secret-of-variable", "https_proxy": "http://u:secret-of-proxy@h"},
        kubeconfig=kubeconfig("c", tokenFile=str(home / "token")),
    )
    with pytest.raises(Inconclusive):
        resolve(home, kubeconfig="{}/wrong")
    resolve(
        home,
        host="https://u:secret-of-host@h",
        password="secret-of-option",
        username="u",
        proxy="secret-of-nobody@h",
        proxy_headers={"basic_auth": "u:secret-of-header", "user_agent": "agent-of-nobody"},
    )
    shown = KNOWN.hidden(
        "token-of-c secret-of-a-file secret-of-wrong secret-of-variable secret-of-proxy secret-of-host secret-of-option "
        "secret-of-nobody secret-of-header agent-of-nobody"
    )
    assert shown == " ".join(["********"] * 9 + ["agent-of-nobody"])


@pytest.mark.parametrize(
    "text", ["users:\n- token: secret-1", '{"users": [{"token": "secret-1"}]}', "c2VjcmV0" * 40, "users: [secret-1]"]
)
@pytest.mark.parametrize("variable", ["", "KUBECONFIG", "K8S_AUTH_KUBECONFIG"])
def test_the_content_of_a_kubeconfig_that_is_given_for_a_path_is_not_quoted(text: str, variable: str) -> None:
    with pytest.raises(Inconclusive) as caught:
        source.resolve({} if variable else {"kubeconfig": text}, {variable: text} if variable else {})
    assert caught.value.reason is Reason.BAD_KUBECONFIG
    assert "secret-1" not in str(caught.value)
    assert "c2Vj" not in str(caught.value)


@pytest.mark.parametrize(
    "server", ["https://user:p/w@h:6443", "https://h:x", "https://", "h:6443", "https://h/c/x#y", "https://h/?x=y"]
)
def test_a_server_that_is_no_url(server: str) -> None:
    with pytest.raises(Inconclusive, match="is not a URL") as caught:
        source.resolve({"host": server}, {})
    assert "p/w" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h:6443", "https://h:6443"),
        ("https://user:battery@h:6443/path", "https://h:6443/path"),
        ("https://user:b%40t/t@ry@h:6443", "https://h:6443"),
        ("user:battery@h:3128", "h:3128"),
        ("https://h:6443/a@b", "https://h:6443/a@b"),
        (None, ""),
    ],
)
def test_a_url_without_a_login(url: str | None, shown: str) -> None:
    assert source.without_login(url) == shown


@pytest.mark.parametrize(
    ("options", "environment", "headers"),
    [
        ({"proxy": "http://u:w%40rd@p:1"}, {}, {"proxy_basic_auth": "u:w@rd"}),
        ({"proxy": "http://p:1"}, {"HTTPS_PROXY": "http://u:w@p"}, None),
        ({}, {"https_proxy": "http://u:w@p"}, {"proxy_basic_auth": "u:w"}),
        ({}, {"ALL_PROXY": "http://u:w@p", "http_proxy": "http://x:y@p"}, {"proxy_basic_auth": "u:w"}),
        ({"proxy": "socks5://u:w@p:1"}, {}, None),
        (
            {"proxy": "http://u:w@p:1", "proxy_headers": {"proxy_basic_auth": "a:b", "user_agent": "x"}},
            {},
            {"proxy_basic_auth": "a:b", "user_agent": "x"},
        ),
    ],
)
def test_a_login_in_the_url_of_a_proxy_is_used(
    options: dict[str, t.Any], environment: dict[str, str], headers: dict[str, str] | None
) -> None:
    found = source.resolve({"host": "https://h", **options}, environment)
    assert found.beside.get("proxy_headers") == headers


def test_a_file_that_has_no_end_is_no_kubeconfig(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_READ_SECONDS", 0.2)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Inconclusive, match=r"no end within 0\.2 s"):
        source.resolve({"kubeconfig": str(tmp_path / "pipe")}, {})
    with pytest.raises(Inconclusive, match=r"tokenFile of the user admin cannot be read: no end within 0\.2 s"):
        source.resolve({"kubeconfig": kubeconfig("c", token="", tokenFile=str(tmp_path / "pipe"))}, {})


def test_the_file_of_a_token_is_read_as_kubectl_does_it(home: pathlib.Path) -> None:
    (home / "token").write_text(f"{SECRET}\n")
    (home / "blank").write_text("\n")
    user = resolve(home, kubeconfig=kubeconfig("c", tokenFile=str(home / "token"))).kubeconfig["users"][0]["user"]
    assert user == {"token": SECRET}
    # what is there counts where the file says nothing
    user = resolve(home, kubeconfig=kubeconfig("c", tokenFile=str(home / "none"))).kubeconfig["users"][0]["user"]
    assert user == {"token": "token-of-c"}
    with pytest.raises(Inconclusive, match="tokenFile of the user admin is empty"):
        resolve(home, kubeconfig=kubeconfig("c", token=None, tokenFile=str(home / "blank")))
    # the token itself, in place of its file
    with pytest.raises(Inconclusive, match=r"cannot be read: No such file or directory$") as caught:
        resolve(home, kubeconfig=kubeconfig("c", token=None, tokenFile=SECRET))
    assert SECRET not in str(caught.value)


def test_an_empty_file_is_an_empty_kubeconfig(home: pathlib.Path) -> None:
    (home / "touched").write_text("# nothing\n")
    assert who(resolve(home, {"KUBECONFIG": "{0}/touched:{0}/b"})) == IN_B


def test_nothing_in_a_field_is_no_field() -> None:
    """The client would take it for a token, or fail (kubectl does neither)."""
    empty: dict[str, t.Any] = {"token": None, "client-key-data": "", "auth-provider": None, "as-groups": [], "exec": {}}
    content = kubeconfig("c", **empty, **{"client-key": "/k"})
    content["clusters"][0]["cluster"]["certificate-authority-data"] = ""
    chosen = source.resolve({"kubeconfig": content}, {}).kubeconfig
    assert chosen["users"][0]["user"] == {"client-key": "/k"}
    assert chosen["clusters"][0]["cluster"] == {"server": "https://c:6443", "certificate-authority": "ca.crt"}


def test_the_content_of_a_key_in_place_of_its_path_is_secret() -> None:
    key = base64.b64encode(b"-----BEGIN PRIVATE KEY-----\nMHcCAQEEIJ4kq\n-----END PRIVATE KEY-----\n" * 5).decode()
    source.resolve({"host": "https://h", "client_cert": "/c", "client_key": key}, {"K8S_AUTH_KEY_FILE": f"{SECRET}\n"})
    source.resolve({"kubeconfig": kubeconfig("c", **{"client-key": f"{SECRET}2\n"})}, {})
    assert KNOWN.hidden(f"{key} {SECRET} {SECRET}2") == "******** ******** ********"
    # a path is none
    source.resolve({"host": "https://h", "client_cert": "/c", "client_key": "/home/me/key"}, {})
    assert KNOWN.hidden("/home/me/key") == "/home/me/key"


@pytest.mark.parametrize(
    ("server", "options", "environment", "expected"),
    [
        ("https://h", {}, {"HTTPS_PROXY": "http://p", "NO_PROXY": "x"}, ("http://p", "x")),
        # one client would take that of another scheme
        ("https://h", {}, {"HTTPS_PROXY": "http://p", "HTTP_PROXY": "http://q"}, ("http://p", "")),
        ("https://h", {}, {"HTTP_PROXY": "http://q"}, ("", "")),
        ("http://h", {}, {"http_proxy": "http://q", "no_proxy": "x"}, ("http://q", "x")),
        ("https://h", {"no_proxy": "y"}, {"https_proxy": "http://p", "no_proxy": "x"}, ("http://p", "y")),
        # exceptions of the environment would lead around the proxy of the source, to whoever has that address here
        ("https://10.0.0.1", {"proxy": "http://p"}, {"NO_PROXY": "10.0.0.0/8"}, ("http://p", "")),
        ("https://10.0.0.1", {"proxy": "http://p", "no_proxy": "y"}, {"NO_PROXY": "x"}, ("http://p", "y")),
        # this machine itself: a tunnel, kind
        ("https://127.0.0.1:6443", {}, {"HTTPS_PROXY": "http://p"}, ("", "")),
        ("https://[::1]:6443", {}, {"HTTPS_PROXY": "http://p"}, ("", "")),
        ("https://localhost:6443", {}, {"ALL_PROXY": "http://p"}, ("", "")),
        ("https://localhost:6443", {"proxy": "http://p"}, {}, ("http://p", "")),
        ("https://h", {}, {"HTTPS_PROXY": "p:3128"}, ("http://p:3128", "")),
        ("https://h", {"proxy": "p:3128"}, {}, ("http://p:3128", "")),
    ],
)
def test_a_proxy_is_chosen_for_the_client_as_kubectl_does_it(
    server: str, options: dict[str, str], environment: dict[str, str], expected: tuple[str, str]
) -> None:
    beside = source.resolve({"host": server, **options}, environment).beside
    assert (beside["proxy"], beside["no_proxy"]) == expected
    if "proxy" in options:
        content = kubeconfig("c")
        content["clusters"][0]["cluster"] |= {"server": server, "proxy-url": options["proxy"]}
        others = {name: value for name, value in options.items() if name != "proxy"}
        beside = source.resolve({"kubeconfig": content, **others}, environment).beside
        assert (beside["proxy"], beside["no_proxy"]) == expected
