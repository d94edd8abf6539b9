# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Which cluster a run goes to: one source of server and credentials, chosen before anything is requested.

The rule (docs/connection.md). What the options say is all that counts. The environment counts only where no option says
anything: C(K8S_AUTH_*) as if they were the options, and without those as kubectl does it: $KUBECONFIG, ~/.kube/config, the
service account of the pod. Server and credentials never come from two sources. The outcome is a kubeconfig of one
cluster, one user and one context, and a proxy or none. The client gets that and nothing else, so neither its own order of
places (kubernetes.core#1098, kubernetes-client/python#2386) nor its refresh of credentials can lead elsewhere.

Reads files and no network. What is secret in them, in the options and in the environment is known (_secrets) before anything
is said about it.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import dataclasses
import difflib
import errno
import ipaddress
import itertools
import os
import pathlib
import re
import typing as t
import urllib.parse

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.signals import Expired, bounded
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import Inconclusive, Reason, quote
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._secrets import KNOWN, leaves, url_secrets

with contextlib.suppress(ImportError):
    import yaml  # it comes with the Kubernetes client; without that client nothing in here is called

__all__ = (
    "PREFIX",
    "SECRET",
    "SECRET_FILES",
    "URLS",
    "Source",
    "is_path",
    "kubeconfig_secrets",
    "note_secrets",
    "read",
    "resolve",
    "without_login",
)

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

#: Those of them that are a whole user, and their names in a kubeconfig.
_OF_USER: t.Final = {
    "api_key": "token",
    "username": "username",
    "password": "password",
    "client_cert": "client-certificate",
    "client_key": "client-key",
}

#: Options that the client takes beside a kubeconfig.
_BESIDE: t.Final = ("proxy", "no_proxy", "proxy_headers", "impersonate_user", "impersonate_groups")

#: What a kubeconfig names by a path: relative to its own folder, as kubectl has it.
_CLUSTER_FILES: t.Final = ("certificate-authority",)
_USER_FILES: t.Final = ("client-certificate", "client-key", "tokenFile")

#: What of a kubeconfig is true or false; and who signs in with an auth-provider still, for kubectl, too.
_FLAGS: t.Final = frozenset({"insecure-skip-tls-verify", "disable-compression"})
_PROVIDER: t.Final = "oidc"

#: What options are secrets, which name a file of one, and which are URLs that can hold one; of proxy_headers.
SECRET: t.Final = ("api_key", "password")
SECRET_FILES: t.Final = ("client_key",)
URLS: t.Final = ("host", "proxy")
_SECRET_HEADERS: t.Final = ("proxy_basic_auth", "basic_auth")

#: What names a proxy in the environment, in either case.
_PROXIES: t.Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

#: Of a kubeconfig's user, what is shown. What is not known is secret.
_PUBLIC: t.Final = frozenset(
    {"exec", "auth-provider", "username", "client-certificate", "client-key", "tokenFile", "as", "as-groups"}
)

#: Of a credential plugin's environment and arguments, what must not be shown.
_SECRET_NAME: t.Final = re.compile("token|secret|pass|key|cred|auth", re.IGNORECASE)

#: What such a name can end in without its value being one: C(--token-cache-storage=disk).
_PUBLIC_NAME: t.Final = re.compile(
    "(audience|cache|dir|file|format|method|mode|name|namespace|path|provider|scopes?|storage|timeout|type|url)$",
    re.IGNORECASE,
)

#: The longest name that a file can have, in characters.
_FILE_NAME: t.Final = 255

#: How long (seconds) a file takes at most to be read, and how much of it is looked at for secrets, in bytes.
_READ_SECONDS: t.Final = 5
_SECRET_BYTES: t.Final = 65536

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
    def shown_server(self) -> str:
        """The URL of the API server without user and password."""
        return without_login(self.server)


def without_login(url: object) -> str:
    """A URL without user and password."""
    scheme, slashes, rest = str(url or "").rpartition("://")
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}" if url_secrets(url) else str(url or "")


# ------------------------------------------------------------------------------ secrets


def note_secrets(params: t.Mapping[str, t.Any], environment: t.Mapping[str, str]) -> None:
    """Remember what must not be shown of options and environment, whether they count or not."""
    headers = params.get("proxy_headers")
    given = [params.get(name) for name in SECRET]
    given += [headers.get(name) for name in _SECRET_HEADERS] if isinstance(headers, dict) else [headers]
    given += [environment.get(PREFIX + ending) for name in SECRET for ending in _VARIABLES[name]]
    given += [environment.get(f"{PREFIX}PROXY_HEADERS_{name.upper()}") for name in _SECRET_HEADERS]
    files = [params.get(name) for name in SECRET_FILES]
    files += [environment.get(PREFIX + ending) for name in SECRET_FILES for ending in _VARIABLES[name]]
    given += [content for content in files if not is_path(content)]
    # user:password, without a host
    logins = [f"{text}@" for text in leaves(given) if ":" in text]
    urls = [params.get(name) for name in URLS]
    urls += [environment.get(PREFIX + ending) for name in URLS for ending in _VARIABLES[name]]
    urls += [environment.get(name) for proxy in _PROXIES for name in (proxy, proxy.lower())]
    KNOWN.add(given, *(url_secrets(url) for url in (*urls, *logins)), kubeconfig_secrets(params.get("kubeconfig")))


def kubeconfig_secrets(kubeconfig: t.Any) -> set[str]:
    """The texts in a kubeconfig's content that must never be shown.

    All of it would be too much: the name of a context or of a namespace is a word that results are full of.
    """
    if not isinstance(kubeconfig, dict):
        return set() if is_path(kubeconfig) else leaves(kubeconfig)
    found: set[str] = set()
    for inner in _inner(kubeconfig, "clusters"):
        found |= url_secrets(inner.get("server")) | url_secrets(inner.get("proxy-url"))
    for inner in _inner(kubeconfig, "users"):
        found |= leaves([value for key, value in inner.items() if key not in _PUBLIC])
        # the content where its path should be
        found |= leaves([inner.get(name) for name in ("client-key", "tokenFile") if not is_path(inner.get(name))])
        provider, plugin = inner.get("auth-provider"), inner.get("exec")
        found |= leaves(provider.get("config")) if isinstance(provider, dict) else leaves(provider)
        found |= _plugin_secrets(plugin) if isinstance(plugin, dict) else leaves(plugin)
    return found


def _inner(kubeconfig: _Object, part: str) -> t.Iterator[_Object]:
    """What the entries of a list hold, of whatever shape they are."""
    entries = kubeconfig.get(part) or ()
    for entry in entries if isinstance(entries, list) else [entries]:
        inner = entry.get(part[:-1]) if isinstance(entry, dict) else entry
        yield inner if isinstance(inner, dict) else {"": inner}


def _plugin_secrets(plugin: _Object) -> set[str]:
    """What a credential plugin is given that looks like a secret: by the name of the variable or of the argument."""
    variables = plugin.get("env")
    named = [one for one in variables if isinstance(one, dict)] if isinstance(variables, list) else []
    pairs = [(str(one.get("name")), str(one.get("value"))) for one in named]
    words = [str(word) for word in plugin.get("args") or ()] if isinstance(plugin.get("args"), list) else []
    # --token=x, and --token x
    pairs += [(name, value) for name, equals, value in (word.partition("=") for word in words) if equals]
    pairs += [(name, value) for name, value in itertools.pairwise(words) if name.startswith("-") and "=" not in name]
    found = leaves(
        [
            value
            for name, value in pairs
            if _SECRET_NAME.search(name) and not _PUBLIC_NAME.search(name) and value not in ("true", "false")
        ]
    )
    return found.union(*(url_secrets(value) for value in (*words, *(value for _name, value in pairs))))


def is_path(kubeconfig: t.Any) -> bool:
    """Whether it is a path, or several: not the content of a kubeconfig, as text or as the base64 of it."""
    return (
        isinstance(kubeconfig, str)
        and not any(mark in kubeconfig for mark in ("\n", "{", ": "))
        and all(len(name) <= _FILE_NAME for name in kubeconfig.split(os.sep))
    )


def _note_file(chosen: _Object) -> None:
    """Remember what is in the file of a user that must not be shown; what cannot be read the client says."""
    key = chosen["users"][0]["user"].get("client-key")
    if key:
        with contextlib.suppress(OSError):
            KNOWN.add(read(str(key))[:_SECRET_BYTES].decode("utf-8", "replace"))


def resolve(params: t.Mapping[str, t.Any], environment: t.Mapping[str, str]) -> Source:
    """Choose the source.

    :param params: the options of kubernetes.core; what is None or empty says nothing.
    :param environment: as in os.environ.
    :raises Inconclusive: AmbiguousCluster, BadKubeconfig.
    """
    note_secrets(params, environment)
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
        _require_one_place(options, environment, names)
        where, kubeconfig = _usual_place(environment, "context" in options)
    is_replaced = any(name in _OF_USER for name in credentials)
    chosen = _chosen(kubeconfig, options.get("context"), where, needs_user=not is_replaced)
    _override(chosen, options, credentials)
    _note_file(chosen)
    server = str(chosen["clusters"][0]["cluster"]["server"])
    if not _is_url(server):
        raise Inconclusive(Reason.BAD_KUBECONFIG, f"the server {quote(server)} is not a URL", where)
    beside: _Object = {name: options[name] for name in _BESIDE if name in options}
    _move(chosen, beside)
    _choose_proxy(beside, server, environment)
    context = chosen["current-context"]
    return Source(f"{where}{origin}", "" if context == _NO_CONTEXT else context, server, chosen, beside)


def _require_one_place(options: _Object, environment: t.Mapping[str, str], names: str) -> None:
    """Raise Inconclusive if the environment names a cluster that options do not let count, and they name none themselves."""
    others = ("KUBECONFIG",) if "context" in options else ("KUBECONFIG", "CONTEXT", "HOST")
    named = [PREFIX + one for one in others if environment.get(PREFIX + one)]
    if options and named and not names:
        raise _ambiguous(
            f"{_and(list(options))} set, but neither host nor kubeconfig, and {_and(named)} set in the environment: "
            "which cluster do you mean?"
        )


def _is_url(server: str) -> bool:
    """Whether it is one that a client can take apart: a password with a slash makes none."""
    try:
        parts = urllib.parse.urlsplit(server)
        is_whole = bool(parts.hostname) and parts.port != 0 and ("@" in parts.netloc) == bool(url_secrets(server))
        # of a page of a dashboard, that was copied: the path of a request would become a part of it
        is_page = "?" in server or "#" in server
        return parts.scheme in ("https", "http") and is_whole and not is_page
    except ValueError:
        return False


def _ambiguous(detail: str) -> Inconclusive:
    return Inconclusive(Reason.AMBIGUOUS_CLUSTER, detail)


def _and(words: t.Sequence[str]) -> str:
    return f"{words[0]} is" if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]} are"


# ------------------------------------------------------------------------------- places


def _given(kubeconfig: t.Any) -> tuple[str, _Object]:
    if isinstance(kubeconfig, dict):
        where = "a kubeconfig from variables"
        return where, _checked(copy.deepcopy(kubeconfig), where)
    if not is_path(kubeconfig):
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
        if not is_path(environment["KUBECONFIG"]):
            # a variable of a CI system that should be a file there
            raise Inconclusive(Reason.BAD_KUBECONFIG, "it is no path but the content of a kubeconfig", "KUBECONFIG")
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
            parsed = _parsed(read(path).decode("utf-8"), where if every else f"kubeconfig {path}")
            # an empty file is an empty kubeconfig, as for kubectl
            parsed = {} if parsed is None else parsed
            KNOWN.add(kubeconfig_secrets(parsed))
            one = _checked(parsed, f"kubeconfig {path}")
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


def read(path: str) -> bytes:
    """A file. A pipe that nobody writes to, or a disk that is away, has no end of its own.

    :raises OSError: it cannot be read.
    """
    try:
        return bounded(lambda: pathlib.Path(path).read_bytes(), _READ_SECONDS)
    except Expired:
        raise TimeoutError(errno.ETIMEDOUT, f"no end within {_READ_SECONDS} s", path) from None


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
        names = [entry["name"] for entry in kubeconfig[part]]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise Inconclusive(Reason.BAD_KUBECONFIG, f"several {part} have the name {quote(twice)}", where)
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


def _chosen(kubeconfig: _Object, context: t.Any, where: str, needs_user: bool = True) -> _Object:
    """The kubeconfig with nothing in it but one context, its cluster and its user.

    :param needs_user: whether the user counts, or options replace it as a whole.
    """
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
        if inner.get("user") and needs_user
        else {"name": "nobody", "user": {}}
    )
    # nothing in a field is no field: the client would take it for something, or fail
    to, who = (
        {key: value for key, value in one.items() if value not in (None, "", [], {})}
        for one in (cluster["cluster"], user["user"])
    )
    _require_supported(who, f"the user {user['name']}", where)
    for fields, owner in ((to, f"the cluster {cluster['name']}"), (who, f"the user {user['name']}")):
        for field, value in fields.items():
            _require_type(field, value, f"{field} of {owner}", where)
            if str(field).endswith("-data"):
                _require_base64(str(value), f"{field} of {owner}", where)
    _read_token(who, f"tokenFile of the user {user['name']}", where)
    return _kubeconfig(name, to, who)


def _require_supported(user: _Object, whose: str, where: str) -> None:
    """Raise Inconclusive if the client would pass over what a user has, and go without it."""
    provider = user.get("auth-provider", {"name": _PROVIDER})
    name = provider.get("name") if isinstance(provider, dict) else None
    if name != _PROVIDER:
        words = f"the auth-provider {quote(name)} of {whose} is not supported, as Kubernetes 1.26 removed it: use exec"
        raise Inconclusive(Reason.BAD_KUBECONFIG, words, where)
    problems: dict[str, str] = {field: "is not supported" for field in ("as-uid", "as-user-extra") if field in user}
    for field, kind, wanted in (("exec", dict, "mapping"), ("as-groups", list, "list")):
        if not isinstance(user.get(field, kind()), kind):
            problems[field] = f"is not a {wanted}"
    for field, words in problems.items():
        raise Inconclusive(Reason.BAD_KUBECONFIG, f"{field} of {whose} {words}", where)


def _require_type(field: str, value: object, what: str, where: str) -> None:
    """Raise Inconclusive where kubectl does: C("false") would be true, and a number is not what was written (0123)."""
    if field in _FLAGS and not isinstance(value, bool):
        raise Inconclusive(Reason.BAD_KUBECONFIG, f"{what} is neither true nor false", where)
    if field not in _FLAGS and isinstance(value, (int, float)):
        raise Inconclusive(Reason.BAD_KUBECONFIG, f"{what} is no text; write it in quotes", where)


def _read_token(user: _Object, what: str, where: str) -> None:
    """Put the token in place of its file, without the line break at its end, as kubectl does; the client would keep that.

    It can be the token itself, by mistake: it is not quoted.
    """
    path = user.pop("tokenFile", None)
    if path is None:
        return
    try:
        token = read(str(path))[:_SECRET_BYTES].decode("utf-8").strip()
        words = "is empty"
    except (OSError, UnicodeDecodeError) as error:
        token, words = "", f"cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}"
    KNOWN.add(token)
    user["token"] = token or user.get("token")
    if not user["token"]:
        raise Inconclusive(Reason.BAD_KUBECONFIG, f"{what} {words}", where)


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
    for one, other in (("username", "password"), ("client_cert", "client_key")):
        if (one in options) != (other in options):
            raise _ambiguous(f"{one} and {other} belong together, and only one of them is set")
    own = {_OF_USER[name]: options[name] for name in credentials if name in _OF_USER}
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


def _choose_proxy(beside: _Object, server: str, environment: t.Mapping[str, str]) -> None:
    """Say which proxy there is, or none: clients read the environment by rules of their own, which differ by release.

    A proxy of a source is used for its server, as kubectl does: exceptions of the environment are for proxies of the
    environment, and those are not for this machine itself. User and password of its URL become a header: the client does not
    read them there.
    """
    parts = urllib.parse.urlsplit(server)
    exceptions = ""
    if not beside.get("proxy"):
        names = () if _is_loopback(parts.hostname or "") else (f"{parts.scheme}_proxy", "all_proxy")
        beside["proxy"] = next(filter(None, (_variable(environment, name) for name in names)), "")
        exceptions = _variable(environment, "no_proxy")
    beside.setdefault("no_proxy", exceptions)
    proxy = str(beside["proxy"])
    # a host and a port, as many write it
    beside["proxy"] = proxy = proxy if "://" in proxy or not proxy else f"http://{proxy}"
    login, at, _host = urllib.parse.urlsplit(proxy).netloc.rpartition("@")
    # a SOCKS proxy has no headers: the cluster would get them
    if at and not proxy.startswith("socks"):
        beside["proxy_headers"] = {"proxy_basic_auth": urllib.parse.unquote(login), **beside.get("proxy_headers", {})}


def _variable(environment: t.Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.upper()) or ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
