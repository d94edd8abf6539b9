# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Which cluster a run goes to: one source of server and credentials, chosen before anything is requested.

The rule (docs/connection.md). What the options say is all that counts. The environment counts only where no option says
anything: C(K8S_AUTH_*) as if they were the options, and without those as kubectl does it: $KUBECONFIG, ~/.kube/config, the
service account of the pod. Server and credentials never come from two sources. The outcome is a kubeconfig of one
cluster, one user and one context. The client gets that and nothing else, so neither its own order of places
(kubernetes.core#1098, kubernetes-client/python#2386) nor its refresh of credentials can lead elsewhere.

Reads files and no network.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import dataclasses
import difflib
import os
import typing as t
import urllib.parse

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason, quote

with contextlib.suppress(ImportError):
    import yaml  # it comes with the Kubernetes client; without that client nothing in here is called

__all__ = ("PREFIX", "Source", "resolve")

#: Of the variables that kubernetes.core reads in the environment.
PREFIX: t.Final = "K8S_AUTH_"

#: Option -> the endings of its environment variables (kubernetes.core: the option and its alias).
_VARIABLES: t.Final[dict[str, tuple[str, ...]]] = {
    "kubeconfig": ("KUBECONFIG",),
    "context": ("CONTEXT",),
    "host": ("HOST",),
    "api_key": ("API_KEY",),
    "username": ("USERNAME",),
    "password": ("PASSWORD",),
    "validate_certs": ("VALIDATE_CERTS", "VERIFY_SSL"),
    "ca_cert": ("CA_CERT", "SSL_CA_CERT"),
    "client_cert": ("CLIENT_CERT", "CERT_FILE"),
    "client_key": ("CLIENT_KEY", "KEY_FILE"),
    "proxy": ("PROXY",),
    "no_proxy": ("NO_PROXY",),
    "impersonate_user": ("IMPERSONATE_USER",),
    "impersonate_groups": ("IMPERSONATE_GROUPS",),
}

#: What kubernetes.core reads in the environment for the option proxy_headers.
_PROXY_HEADERS: t.Final = ("proxy_basic_auth", "basic_auth", "user_agent")

#: Options that say who asks or whom to trust: they need a server from the same place.
_CREDENTIALS: t.Final = ("api_key", "username", "password", "client_cert", "client_key", "ca_cert")

#: Options that the client takes beside a kubeconfig.
_BESIDE: t.Final = ("proxy", "no_proxy", "proxy_headers", "impersonate_user", "impersonate_groups")

#: What a kubeconfig names by a path: relative to its own folder, as kubectl has it.
_CLUSTER_FILES: t.Final = ("certificate-authority",)
_USER_FILES: t.Final = ("client-certificate", "client-key", "tokenFile")

#: Where a pod finds its own credentials.
_SERVICE_ACCOUNT: t.Final = "/var/run/secrets/kubernetes.io/serviceaccount"

#: The name of the context where there is no kubeconfig; no file has it.
_NO_CONTEXT: t.Final = "podshm: none"

_Object: t.TypeAlias = "dict[str, t.Any]"


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a run goes, and who it is there.

    :param origin: where server and credentials come from, in words.
    :param context: of the kubeconfig, or nothing where there is none.
    :param server: the URL of the API server. It can hold a password.
    :param kubeconfig: of one cluster, one user and one context. It holds secrets.
    :param beside: what the client takes beside it: proxy and impersonation. It can hold secrets.
    """

    origin: str
    context: str
    server: str = dataclasses.field(repr=False)
    kubeconfig: dict[str, t.Any] = dataclasses.field(repr=False)
    beside: t.Mapping[str, t.Any] = dataclasses.field(repr=False)

    def __str__(self) -> str:
        """The cluster in words, without secrets."""
        context = f"context {self.context} of " if self.context else ""
        return f"{self.shown_server} ({context}{self.origin})"

    @property
    def has_plugin(self) -> bool:
        """Whether a credential plugin runs before the first request."""
        return "exec" in self.kubeconfig["users"][0]["user"]

    @property
    def shown_server(self) -> str:
        """The URL of the API server without user and password."""
        parts = urllib.parse.urlsplit(self.server)
        return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def resolve(params: t.Mapping[str, t.Any], environment: t.Mapping[str, str]) -> Source:
    """Choose the source.

    :param params: the options of kubernetes.core; what is None or empty says nothing.
    :param environment: as in os.environ.
    :raises Inconclusive: AmbiguousCluster, BadKubeconfig.
    """
    options = {
        name: params[name] for name in (*_VARIABLES, "proxy_headers") if params.get(name) not in (None, "", [], {})
    }
    from_environment = _from_environment(environment)
    names, ignored = "", ""
    if options:
        ignored = ", ".join(from_environment)
    elif from_environment:
        options = _typed(from_environment, environment)
        names = ", ".join(from_environment)
    try:
        return _of_options(options, environment, names)
    except Inconclusive as problem:
        if not ignored:
            raise
        note = f"; {ignored} of the environment does not count beside options"
        raise Inconclusive(problem.reason, f"{problem.detail}{note}", problem.subject) from None


def _from_environment(environment: t.Mapping[str, str]) -> list[str]:
    """The variables of kubernetes.core that are set, an alias only without the variable of the option itself."""
    found = []
    for endings in _VARIABLES.values():
        found += [PREFIX + ending for ending in endings if environment.get(PREFIX + ending)][:1]
    return found + [name for name in _header_variables() if environment.get(name)]


def _header_variables() -> list[str]:
    return [f"{PREFIX}PROXY_HEADERS_{name.upper()}" for name in _PROXY_HEADERS]


def _typed(names: t.Collection[str], environment: t.Mapping[str, str]) -> _Object:
    """The options that these variables stand for, read as kubernetes.core reads them."""
    options: _Object = {}
    for option, endings in _VARIABLES.items():
        for ending in endings:
            if PREFIX + ending in names:
                options[option] = environment[PREFIX + ending]
    if "validate_certs" in options:
        options["validate_certs"] = str(options["validate_certs"]).lower() not in ("0", "false", "no")
    if "impersonate_groups" in options:
        options["impersonate_groups"] = [group for group in options["impersonate_groups"].split(",") if group]
    headers = {
        name: environment[variable]
        for name, variable in zip(_PROXY_HEADERS, _header_variables(), strict=True)
        if variable in names
    }
    return {**options, **({"proxy_headers": headers} if headers else {})}


def _of_options(options: _Object, environment: t.Mapping[str, str], names: str) -> Source:
    """The source that options name, or where they name none the places that kubectl knows.

    :param names: the variables of the environment that stand for the options, if they do.
    """
    origin = f" (from the environment: {names})" if names else ""
    credentials = [name for name in _CREDENTIALS if name in options]
    if "kubeconfig" in options:
        where, kubeconfig = _given(options["kubeconfig"])
    elif "host" in options:
        if "context" in options:
            raise _ambiguous(
                "host and context are set, and no kubeconfig that the context is of: whose credentials are meant?"
            )
        where, kubeconfig = "options", _bare(options["host"])
        if names:
            where, origin = f"the environment: {names}", ""
    elif credentials:
        raise _ambiguous(f"{_and(credentials)} set, but neither host nor kubeconfig: which server are they for?")
    else:
        where, kubeconfig = _usual_place(environment, "context" in options)
    chosen = _chosen(kubeconfig, options.get("context"), where)
    _override(chosen, options, credentials)
    server = str(chosen["clusters"][0]["cluster"]["server"])
    if not server.startswith(("https://", "http://")):
        raise Inconclusive(Reason.BAD_KUBECONFIG, f"the server {quote(server)} is not a URL", where)
    beside: _Object = {name: options[name] for name in _BESIDE if name in options}
    _move(chosen, beside)
    context = chosen["current-context"]
    return Source(f"{where}{origin}", "" if context == _NO_CONTEXT else context, server, chosen, beside)


def _ambiguous(detail: str) -> Inconclusive:
    return Inconclusive(Reason.AMBIGUOUS_CLUSTER, detail)


def _and(words: t.Sequence[str]) -> str:
    return f"{words[0]} is" if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]} are"


# ------------------------------------------------------------------------------- places


def _given(kubeconfig: t.Any) -> tuple[str, _Object]:
    if isinstance(kubeconfig, dict):
        where = "a kubeconfig from variables"
        return where, _checked(copy.deepcopy(kubeconfig), where)
    if not isinstance(kubeconfig, str) or "\n" in kubeconfig:
        raise Inconclusive(
            Reason.BAD_KUBECONFIG,
            "it is text; give a path or a mapping (the filter from_yaml returns one)",
            "kubeconfig from variables",
        )
    paths, where = kubeconfig.split(os.pathsep), f"kubeconfig {kubeconfig}"
    return where, _merged(paths, where, every=len(paths) == 1)


def _usual_place(environment: t.Mapping[str, str], needs_kubeconfig: bool) -> tuple[str, _Object]:
    """Where kubectl looks: $KUBECONFIG, ~/.kube/config, and the pod itself."""
    if environment.get("KUBECONFIG"):
        where = f"kubeconfig {environment['KUBECONFIG']} (from the environment: KUBECONFIG)"
        return where, _merged(environment["KUBECONFIG"].split(os.pathsep), where, every=False)
    usual = os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".kube", "config")
    if os.path.exists(usual) or needs_kubeconfig:
        return f"kubeconfig {usual}", _merged([usual], f"kubeconfig {usual}", every=True)
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    if host and port and os.path.exists(f"{_SERVICE_ACCOUNT}/token"):
        kubeconfig = _bare(f"https://{f'[{host}]' if ':' in host else host}:{port}")
        kubeconfig["clusters"][0]["cluster"]["certificate-authority"] = f"{_SERVICE_ACCOUNT}/ca.crt"
        kubeconfig["users"][0]["user"]["tokenFile"] = f"{_SERVICE_ACCOUNT}/token"
        return "the service account of this pod", kubeconfig
    raise Inconclusive(
        Reason.BAD_KUBECONFIG,
        "there is none: no option names a cluster, K8S_AUTH_* and KUBECONFIG are not set, and the file does not exist",
        f"kubeconfig {usual}",
    )


def _bare(server: t.Any) -> _Object:
    """A kubeconfig of a server and nobody."""
    return _kubeconfig(_NO_CONTEXT, {"server": str(server)}, {})


def _kubeconfig(context: str, cluster: _Object, user: _Object) -> _Object:
    """A kubeconfig of one cluster, one user and one context."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": context, "context": {"cluster": "cluster", "user": "user"}}],
        "current-context": context,
    }


# -------------------------------------------------------------------------------- files


def _merged(paths: t.Sequence[str], where: str, every: bool) -> _Object:
    """Several kubeconfigs as kubectl merges them: the first entry of a name counts, and the first current-context.

    :param every: whether a file that is missing is an error; kubectl passes over those in $KUBECONFIG.
    """
    whole: _Object = {"clusters": [], "users": [], "contexts": []}
    found = False
    for path in (os.path.expanduser(one) for one in paths if one):
        try:
            with open(path, encoding="utf-8") as file:
                one = _checked(_parsed(file.read(), where if every else f"kubeconfig {path}"), f"kubeconfig {path}")
        except FileNotFoundError:
            if every:
                raise Inconclusive(Reason.BAD_KUBECONFIG, "there is no such file", where) from None
            continue
        except (OSError, UnicodeDecodeError) as error:
            words = getattr(error, "strerror", None) or type(error).__name__
            raise Inconclusive(Reason.BAD_KUBECONFIG, f"{words}: {path}", where) from None
        found = True
        _make_absolute(one, os.path.dirname(os.path.abspath(path)))
        for part in ("clusters", "users", "contexts"):
            known = {entry["name"] for entry in whole[part]}
            whole[part] += [entry for entry in one[part] if entry["name"] not in known]
        whole["current-context"] = whole.get("current-context") or one.get("current-context") or ""
    if not found:
        raise Inconclusive(Reason.BAD_KUBECONFIG, "there is no such file", where)
    return whole


def _parsed(text: str, where: str) -> t.Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else type(error).__name__
        # the message quotes the text, which is secret
        raise Inconclusive(Reason.BAD_KUBECONFIG, f"it is not YAML ({place})", where) from None


def _checked(kubeconfig: t.Any, where: str) -> _Object:
    """A kubeconfig whose lists have entries with names and mappings.

    :raises Inconclusive: BadKubeconfig, it is none.
    """
    if not isinstance(kubeconfig, dict):
        raise Inconclusive(Reason.BAD_KUBECONFIG, "it is not a kubeconfig: there is no mapping in it", where)
    for part in ("clusters", "users", "contexts"):
        entries = kubeconfig.get(part) or []
        is_list = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
        if not is_list or not all(isinstance(entry.get(part[:-1]) or {}, dict) for entry in entries):
            raise Inconclusive(Reason.BAD_KUBECONFIG, f"it is not a kubeconfig: {part} is not a list of entries", where)
        kubeconfig[part] = [
            {"name": str(entry.get("name")), part[:-1]: entry.get(part[:-1]) or {}} for entry in entries
        ]
    return kubeconfig


def _make_absolute(kubeconfig: _Object, folder: str) -> None:
    for part, names in (("clusters", _CLUSTER_FILES), ("users", _USER_FILES)):
        for entry in kubeconfig[part]:
            inner = entry[part[:-1]]
            for name in names:
                if inner.get(name):
                    inner[name] = os.path.join(folder, os.path.expanduser(str(inner[name])))
            plugin = inner.get("exec")
            # a command without a slash is looked for in $PATH
            if isinstance(plugin, dict) and os.sep in str(plugin.get("command", "")):
                plugin["command"] = os.path.join(folder, str(plugin["command"]))


# ---------------------------------------------------------------------------- the choice


def _chosen(kubeconfig: _Object, context: t.Any, where: str) -> _Object:
    """The kubeconfig with nothing in it but one context, its cluster and its user."""
    name = str(context or kubeconfig.get("current-context") or "")
    if not name:
        raise Inconclusive(Reason.BAD_KUBECONFIG, "it has no current context; name one with the option context", where)
    entry = _entry(kubeconfig, "contexts", name, where)
    inner = entry["context"]
    cluster = _entry(kubeconfig, "clusters", str(inner.get("cluster") or ""), where, f" of the context {name}")
    if not cluster["cluster"].get("server"):
        raise Inconclusive(Reason.BAD_KUBECONFIG, f"the cluster {cluster['name']} has no server", where)
    # kubectl, too, asks without credentials where a context names no user
    user: _Object = (
        _entry(kubeconfig, "users", str(inner["user"]), where, f" of the context {name}")
        if inner.get("user")
        else {"name": "nobody", "user": {}}
    )
    for field in ("as-uid", "as-user-extra"):
        if user["user"].get(field):
            raise Inconclusive(Reason.BAD_KUBECONFIG, f"{field} of the user {user['name']} is not supported", where)
    for inner, owner in (
        (cluster["cluster"], f"the cluster {cluster['name']}"),
        (user["user"], f"the user {user['name']}"),
    ):
        for field in (field for field in inner if str(field).endswith("-data") and inner[field]):
            _require_base64(str(inner[field]), f"{field} of {owner}", where)
    return _kubeconfig(name, dict(cluster["cluster"]), dict(user["user"]))


def _require_base64(text: str, what: str, where: str) -> None:
    """Raise Inconclusive if the client could not decode it. It can be a key: it is not quoted."""
    try:
        base64.standard_b64decode("".join(text.split())).decode("utf-8")
    except ValueError:
        raise Inconclusive(Reason.BAD_KUBECONFIG, f"{what} is not the base64 of a PEM file", where) from None


def _entry(kubeconfig: _Object, part: str, name: str, where: str, whose: str = "") -> _Object:
    found = next((entry for entry in kubeconfig[part] if entry["name"] == name), None)
    if found:
        return t.cast("_Object", found)
    near = difflib.get_close_matches(name, [entry["name"] for entry in kubeconfig[part]], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise Inconclusive(Reason.BAD_KUBECONFIG, f"there is no {part[:-1]} {quote(name)}{whose}{hint}", where)


def _override(chosen: _Object, options: _Object, credentials: t.Sequence[str]) -> None:
    """What options say goes before what the kubeconfig says: a credential before all of its user."""
    cluster = chosen["clusters"][0]["cluster"]
    if "host" in options:
        cluster["server"] = str(options["host"])
    cluster["server"] = str(cluster["server"]).rstrip("/")
    if "ca_cert" in options:
        cluster.pop("certificate-authority-data", None)
        cluster["certificate-authority"] = options["ca_cert"]
    if "validate_certs" in options:
        cluster["insecure-skip-tls-verify"] = not options["validate_certs"]
    if cluster.get("insecure-skip-tls-verify"):
        cluster.pop("certificate-authority-data", None)
        cluster.pop("certificate-authority", None)
    names = {"api_key": "token", "username": "username", "password": "password"}
    names |= {"client_cert": "client-certificate", "client_key": "client-key"}
    for one, other in (("username", "password"), ("client_cert", "client_key")):
        if (one in options) != (other in options):
            raise _ambiguous(f"{one} and {other} belong together, and only one of them is set")
    own = {names[name]: options[name] for name in credentials if name in names}
    if own:
        chosen["users"][0]["user"] = own


def _move(chosen: _Object, beside: _Object) -> None:
    """Give the client as arguments what its versions read of a kubeconfig or do not (proxy-url, as, as-groups)."""
    cluster, user = chosen["clusters"][0]["cluster"], chosen["users"][0]["user"]
    proxy = cluster.pop("proxy-url", None)
    if proxy:
        beside.setdefault("proxy", proxy)
    who, groups = user.pop("as", None), user.pop("as-groups", None)
    if (groups and not who) or ("impersonate_groups" in beside and not (who or "impersonate_user" in beside)):
        raise Inconclusive(Reason.BAD_KUBECONFIG, "it names groups to impersonate, and no user", "impersonation")
    if who and "impersonate_user" not in beside:
        beside["impersonate_user"] = who
        if groups:
            beside.setdefault("impersonate_groups", list(groups))
