# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""The one place that talks to Kubernetes: connect, create, patch, delete, list, watch, exec, read logs and events.

Every failure leaves as :class:`Inconclusive` with a reason of the closed list. The paths of the few resources used are
stable since Kubernetes 1.9, so nothing is discovered beyond what the client discovers by itself.
"""

from __future__ import annotations

import collections
import collections.abc
import contextlib
import itertools
import json
import logging
import os
import threading
import time
import typing as t
import urllib.parse

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.errors import (
    Explain,
    GoneError,
    WeatherError,
    describe,
    describe_container,
    describe_pod,
    failed_answer,
    failed_client,
    failed_connection,
    failed_exec,
    failed_request,
    failed_upgrade,
    is_weather,
    status_message,
    warnings_of,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.exec import (
    OUTPUT_BYTES,
    Session,
    open_websocket,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.log import LogSession
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.plugin import PluginError, Plugins
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.signals import Expired, bounded
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._kube.source import PREFIX, Source
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._reason import NO_EXEC, Inconclusive, Reason, quote
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._secrets import KNOWN
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.core import AnsibleK8SModule
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.exceptions import CoreException

try:
    import urllib3
    import websocket
    from kubernetes.config import ConfigException, kube_config
    from kubernetes.dynamic.exceptions import DynamicApiError
except ImportError:
    pass  # AnsibleK8SModule reports it before any of these names is used

__all__ = ("AUTH_ARG_SPEC", "AnsibleK8SModule", "ClientLog", "Cluster")

#: How long (seconds) one request to the API server takes at most: to connect, and as a whole.
_REQUEST_SECONDS: t.Final = (5, 20)

#: How long (seconds) one takes that creates something: an admission webhook can take 30 s.
_CREATE_SECONDS: t.Final = 35

#: The timeout of one request when the run's time is up, in seconds: enough for an answer, too little to wait.
_LAST_SECONDS: t.Final = 1

#: How long (seconds) a request takes at most that only explains something.
_LOOK_SECONDS: t.Final = 5

#: From kubeconfig to the first answer, in seconds: discovery and credential plugins have no timeout of their own.
_CONNECT_SECONDS: t.Final = 15

#: How much longer (seconds) than a watch lasts its connection may be silent.
_WATCH_SLACK: t.Final = 5

#: How often a request is sent whose answer is weather (errors.is_weather); and for how long (seconds) an API server is
#: waited for that is away, once for all requests.
_TRIES: t.Final = 6
_AWAY_SECONDS: t.Final = 25

#: The pause (seconds) before a request is sent again: the first, which then doubles, and the longest.
_PAUSE: t.Final = (0.2, 3.2)

#: The group of a kind, where it is not the core's.
_GROUPS: t.Final = {
    "jobs": "apis/batch/v1",
    "cronjobs": "apis/batch/v1",
    "runtimeclasses": "apis/node.k8s.io/v1",
    **dict.fromkeys(("deployments", "statefulsets", "daemonsets", "replicasets"), "apis/apps/v1"),
}

#: Reasons of credentials that are not accepted: by the API server, and by a proxy before it.
_LOGINS: t.Final = frozenset({Reason.UNAUTHORIZED, Reason.PROXY_UNUSABLE})

#: Reasons of an account that lacks a right, as far as the API server knows its rules.
_RIGHTS: t.Final = frozenset({Reason.FORBIDDEN, Reason.EXEC_FORBIDDEN})

_CLUSTER_WIDE: t.Final = frozenset({"nodes", "runtimeclasses"})

#: How many objects an answer has at most of a list that can be long.
_PAGE: t.Final = 500

#: Of a list, names, labels and owners alone.
_METADATA: t.Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

#: How much of a log is read that shows why a container ended.
_LAST_LINES: t.Final = (("tailLines", "60"), ("limitBytes", "65536"))

#: Fields of a kubeconfig's user that sign in, beside a certificate.
_SIGN_IN: t.Final = frozenset({"token", "exec", "auth-provider", "username", "password"})

#: The kinds of objects that a run creates.
_RUN_KINDS: t.Final = ("Pod", "ConfigMap", "Job")


class ClientLog(logging.Handler):
    """What the Kubernetes client only logs, for example why it could not renew a token. It must not reach stderr."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        #: the last message, or an empty string
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message."""
        self.last = quote(record.getMessage())

    @contextlib.contextmanager
    def listening(self) -> collections.abc.Iterator[None]:
        """Collect all errors that are logged in the block."""
        root = logging.getLogger()
        root.addHandler(self)
        try:
            yield
        finally:
            root.removeHandler(self)


@contextlib.contextmanager
def _without_environment() -> collections.abc.Iterator[None]:
    """Keep the variables of kubernetes.core from it: the source has taken them into account, or decided against them."""
    hidden = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


class Cluster:
    """One cluster, connected. It is a :class:`watch.PodSource`.

    :param source: which cluster, and with which credentials.
    :param namespace: of every object but nodes.
    :param timeout: of the run, in seconds.
    :raises Inconclusive: BadKubeconfig, ApiUnreachable, TlsUntrusted, Unauthorized, ApiError.
    """

    def __init__(self, source: Source, namespace: str, timeout: float) -> None:
        self.namespace = namespace
        #: the URL of the API server, without user and password
        self.server = source.shown_server
        #: when (monotonic) the run's time is up: no request waits longer; the clean-up sets it to its own time
        self.until = time.monotonic() + timeout
        #: ends the pauses between the tries of a request
        self.stopping = threading.Event()
        #: what was tried again, in words, and how often
        self.retries: collections.Counter[str] = collections.Counter()
        #: when (seconds since the epoch) the API server last sent anything
        self.heard = time.time()
        #: since when (monotonic) it is away; nothing, if it is there
        self._away_since: float | None = None
        #: whether it has accepted our credentials
        self._has_accepted = False
        self._log = ClientLog()
        self._plugins = Plugins()
        self._client = self._through_weather(
            f"GET version of API server {self.server}", lambda _tries: self._connected(source, timeout)
        )
        # the client repeats a request three times, each with the full timeout: a silent address would take minutes
        pools = self._client.client.rest_client.pool_manager
        # Retry-After is ours to obey: the client would do it for hours
        pools.connection_pool_kw["retries"] = urllib3.Retry(
            total=3, connect=1, read=0, redirect=False, respect_retry_after_header=False
        )
        pools.clear()

    def _connected(self, source: Source, timeout: float) -> t.Any:
        subject = f"API server {self.server}"
        left = max(self.until - time.monotonic(), _LAST_SECONDS)
        seconds = min(_CONNECT_SECONDS, timeout, left)

        def connect() -> t.Any:
            cluster = source.kubeconfig["clusters"][0]["cluster"]
            if "tls-server-name" in cluster and not hasattr(kube_config.Configuration(), "tls_server_name"):
                # it would pass over it, and the certificate would seem to be untrusted
                words = "this release of the Kubernetes client knows no tls-server-name; install a newer one"
                raise Inconclusive(Reason.BAD_KUBECONFIG, words, source.origin)
            self._plugins.install()
            # nothing but the source: no module, whose options kubernetes.core would mix with the environment
            return get_api_client(
                kubeconfig=source.kubeconfig, context=source.kubeconfig["current-context"], **source.beside
            ).client

        try:
            with self._log.listening(), _without_environment():
                connected = self._bounded(connect, seconds)
        except Inconclusive:
            raise
        except Expired:
            raise Inconclusive(Reason.API_UNREACHABLE, f"no answer within {round(seconds, 1):g} s", subject) from None
        except DynamicApiError as error:
            raise self._failure(error, subject) from None
        except urllib3.exceptions.ProxySchemeUnknown as error:
            # clients before 37 know no SOCKS
            raise Inconclusive(Reason.PROXY_UNUSABLE, quote(error), subject) from None
        except urllib3.exceptions.HTTPError as error:
            raise failed_connection(error, subject) from None
        except ImportError as error:
            words = f"a proxy of this kind needs a Python package that is not installed ({error.name or 'PySocks'})"
            raise Inconclusive(Reason.PROXY_UNUSABLE, words, subject) from None
        except Exception as error:  # noqa: BLE001
            # other messages may quote the kubeconfig
            quotable = isinstance(error, (CoreException, ConfigException))
            raise failed_client(error, source.origin, subject, quotable) from None
        if connected.configuration.host != source.server:
            raise Inconclusive(
                Reason.INTERNAL, "the client is connected to another server than the source names", subject
            )
        self._require_credentials(source, connected.configuration)
        # what the client got by itself, for example with a refresh token
        KNOWN.add([str(value).rpartition(" ")[2] for value in connected.configuration.api_key.values()])
        return connected

    def _require_credentials(self, source: Source, configuration: t.Any) -> None:
        """Raise Inconclusive if the client made nothing of what the source says of its user: it would ask as nobody."""
        said = _SIGN_IN & source.kubeconfig["users"][0]["user"].keys()
        if said and not configuration.api_key and not getattr(configuration, "cert_file", None):
            words = f"the client makes no credentials of {' and '.join(sorted(said))}"
            raise Inconclusive(Reason.BAD_KUBECONFIG, f"{words}{self._logged()}", source.origin)

    def _logged(self) -> str:
        return f"; the client logged: {self._log.last}" if self._log.last else ""

    def _bounded(
        self, call: t.Callable[[], t.Any], seconds: float, late: t.Callable[[t.Any], None] = lambda _result: None
    ) -> t.Any:
        """A call of the client, which can run a credential plugin before it sends anything.

        :raises Inconclusive: PluginFailed.
        :raises Expired: after so many seconds.
        """
        try:
            return bounded(call, seconds, late, self.stopping.is_set)
        except PluginError as error:
            words = str(error)
        except Expired:
            plugin = self._plugins.end()
            if not plugin:
                raise
            words = f"{plugin} did not end within {round(seconds, 1):g} s, and was killed"
        raise Inconclusive(
            Reason.PLUGIN_FAILED, f"the credential plugin {words}", f"API server {self.server}"
        ) from None

    # ------------------------------------------------------------------ requests

    def _path(self, kind: str, name: str = "", namespace: str | None = None) -> str:
        """Where objects of a kind are.

        :param namespace: None is that of this cluster; all of them if it is empty.
        """
        namespace = self.namespace if namespace is None else namespace
        where = "" if kind in _CLUSTER_WIDE or not namespace else f"namespaces/{namespace}/"
        return f"/{_GROUPS.get(kind, 'api/v1')}/{where}{kind}/{name}".rstrip("/")

    def _request(
        self,
        method: str,
        path: str,
        subject: str,
        *,
        body: dict[str, t.Any] | None = None,
        query: t.Sequence[tuple[str, str]] = (),
        read_seconds: float | None = None,
        content_type: str = "application/json",
        subresource: str = "",
        stream: bool = False,
        accept: str = "application/json",
        warnings: list[str] | None = None,
        read: t.Callable[[t.Any], t.Any] = lambda answer: answer,
    ) -> t.Any:
        """Send a request, and again while its answer is weather and time is left.

        :param read: what to return of the body of the answer, or of the response of a stream.
        """
        read_seconds = read_seconds or _REQUEST_SECONDS[1]

        def attempt(tries: int) -> t.Any:
            options = {"body": body, "query_params": list(query), "content_type": content_type}
            options["header_params"] = {"Accept": accept}
            try:
                answer = self._send(method, path, subject, read_seconds, subresource, stream, warnings, **options)
            except WeatherError as weather:
                if not (weather.already_exists and tries):
                    raise
                # the answer to an earlier try was lost: the name is the run's own, and so is the object
                answer = self._send("get", f"{path}/{(body or {})['metadata']['name']}", subject, read_seconds)
            return read(answer)

        return self._through_weather(f"{method.upper()} {subject}", attempt)

    def _object(
        self, method: str, path: str, subject: str, *, key: str = "metadata", **options: t.Any
    ) -> dict[str, t.Any]:
        """The object in the answer to a request.

        :param key: what it has, if it is one of Kubernetes.
        """
        answer: dict[str, t.Any] = self._request(
            method, path, subject, read=lambda body: self._json(body, key), **options
        )
        return answer

    def _has_answered(self) -> None:
        self.heard, self._away_since = time.time(), None

    def _through_weather(self, what: str, attempt: t.Callable[[int], t.Any], waits: bool = True) -> t.Any:
        """Try until there is an answer, it is no weather, or the time or the tries are over.

        :param attempt: is given the number of tries before it.
        :param waits: whether to have the patience that an API server needs which restarts.
        """
        for tries in itertools.count():
            try:
                return attempt(tries)
            except WeatherError as weather:
                wait = max(min(_PAUSE[0] * 2**tries, _PAUSE[1]), weather.retry_after)
                now = time.monotonic()
                if waits and weather.is_away:
                    self._away_since = self._away_since or now
                    is_last = now + wait - self._away_since > _AWAY_SECONDS
                else:
                    is_last = tries + 1 >= _TRIES
                is_last = is_last or weather.already_exists or wait >= self.until - now
                if is_last or self.stopping.is_set():
                    raise weather.problem(tries) from None
                self.retries[f"{what}: {weather.detail}"] += 1
                self.stopping.wait(wait)
        raise AssertionError("the last try returns or raises")

    def _send(
        self,
        method: str,
        path: str,
        subject: str,
        read_seconds: float,
        subresource: str = "",
        stream: bool = False,
        warnings: list[str] | None = None,
        **options: t.Any,
    ) -> t.Any:
        """Send a request once; the options are those of the client.

        :param warnings: takes what the API server warns of.
        :raises WeatherError: another try can have another outcome. This API server has answered before, so that one
            that is not reached now is weather.
        """
        most = max(_LAST_SECONDS, self.until - time.monotonic())
        seconds = min(read_seconds, most)
        timeout = (min(_REQUEST_SECONDS[0], most), seconds)

        def exchange() -> t.Any:
            response = self._client.request(method, path, serialize=False, _request_timeout=timeout, **options)
            if warnings is not None:
                warnings[:] = warnings_of(response.headers)
            return response if stream else bytes(response.data)

        try:
            answer = self._bounded(exchange, seconds, lambda late: late.close() if stream else None)
        except Expired:
            if self.stopping.is_set():
                raise Inconclusive(Reason.INTERRUPTED, "the run ends", subject) from None
            raise WeatherError(self._unreachable(f"no complete answer within {seconds:.3g} s")) from None
        except DynamicApiError as error:
            raise self._failure(error, subject, subresource) from None
        except urllib3.exceptions.HTTPError as error:
            problem = failed_connection(error, f"API server {self.server}")
            if problem.reason in (Reason.API_UNREACHABLE, Reason.PROXY_UNUSABLE):
                raise WeatherError(problem) from None
            raise problem from None
        except ValueError as error:
            raise failed_answer(error, f"API server {self.server}") from None
        self._has_answered()
        self._has_accepted = True
        return answer

    def _unreachable(self, words: str) -> Inconclusive:
        return Inconclusive(Reason.API_UNREACHABLE, words, f"API server {self.server}")

    def _failure(self, error: t.Any, subject: str, subresource: str = "") -> Exception:
        """What an answer other than success means: weather, or the failure of the request."""
        status = int(error.status or 0)
        problem = self._failed_request(status, error.body, subject, subresource)
        if is_weather(status, status_message(error.body), error.headers) or self._can_yet_accept(problem.reason):
            return WeatherError(problem, status, error.headers)
        self._has_answered()
        return problem

    def _can_yet_accept(self, reason: Reason) -> bool:
        """Whether who refuses us now, after it has accepted us, can do so only for a moment.

        What it asks about credentials can be away; an API server that has just begun does not know yet who is allowed what.
        """
        is_back = self._away_since is not None
        return self._has_accepted and (reason in _LOGINS or (is_back and reason in _RIGHTS))

    def _failed_request(self, status: t.Any, body: object, subject: str, subresource: str = "") -> Inconclusive:
        """The failure of a request: about the server, if what it was for does not matter.

        One about credentials has what the client logged.
        """
        problem = failed_request(int(status or 0), body, subject, subresource)
        is_of_server = problem.reason in _LOGINS or (problem.reason is Reason.NOT_KUBERNETES and status != 404)
        if not is_of_server:
            return problem
        logged = self._logged() if problem.reason is Reason.UNAUTHORIZED else ""
        return Inconclusive(problem.reason, f"{problem.detail}{logged}", f"API server {self.server}")

    def _json(self, body: bytes, key: str) -> dict[str, t.Any]:
        """The object in the body of an answer.

        :param key: what it has, if it is one of Kubernetes; nothing, if that is not known.
        :raises WeatherError: it is none. What lies before the API server can cut an answer, or say something itself.
        """
        try:
            answer = json.loads(body)
            if not isinstance(answer, dict) or (key and key not in answer):
                raise ValueError("no object of Kubernetes")
        except (ValueError, RecursionError) as error:
            raise WeatherError(failed_answer(error, f"API server {self.server}"), 200) from None
        return answer

    def _list(self, kind: str, subject: str, query: tuple[str, str]) -> dict[str, t.Any]:
        return self._object("get", self._path(kind), subject, key="items", query=[query])

    def _of_namespace(self, kind: str) -> str:
        return f"{kind} of namespace {self.namespace}"

    # ------------------------------------------------------------------ long lists

    def every(
        self, kind: str, namespace: str = "", selector: str = "", metadata_only: bool = False
    ) -> collections.abc.Iterator[dict[str, t.Any]]:
        """All objects of a kind, as they come in pages; once more from the start if the API server has lost its place.

        :param kind: in the plural, as in URLs.
        :param namespace: all namespaces if it is empty.
        :param metadata_only: without spec and status.
        """
        path = self._path(kind, namespace=namespace)
        subject = (
            kind if kind in _CLUSTER_WIDE else f"{kind} of {f'namespace {namespace}' if namespace else 'the cluster'}"
        )
        fixed = [("limit", str(_PAGE)), *([("labelSelector", selector)] if selector else [])]
        seen: set[str] = set()
        for is_last in (False, True):
            token = ""
            try:
                while True:
                    query = [*fixed, *([("continue", token)] if token else [])]
                    accept = _METADATA if metadata_only else "application/json"
                    answer = self._object("get", path, subject, key="items", query=query, accept=accept)
                    for item in answer.get("items") or ():
                        uid = str(item["metadata"]["uid"])
                        if uid not in seen:
                            seen.add(uid)
                            yield item
                    token = str((answer.get("metadata") or {}).get("continue") or "")
                    if not token:
                        return
            except GoneError:
                if is_last or not token:
                    raise

    def require_namespace(self, name: str) -> None:
        """Nothing, if there is the namespace, or the account is not allowed to look.

        :raises Inconclusive: NamespaceMissing.
        """
        try:
            self._request("get", f"/api/v1/namespaces/{name}", f"namespace {name}")
        except Inconclusive as problem:
            if problem.reason is not Reason.FORBIDDEN:
                raise

    def last_lines(self, namespace: str, pod: str, container: str, previous: bool) -> str:
        """The last lines of a container's log, without patience.

        :param previous: those of the container before its restart.
        """
        path = f"{self._path('pods', pod, namespace)}/log"
        query = (("container", container), ("previous", str(previous).lower()), *_LAST_LINES)
        return self._look(path, describe_container(namespace, pod, container), *query).decode("utf-8", "replace")

    def stats(self, node: str) -> dict[str, t.Any]:
        """What the kubelet of a node says of its pods and their volumes, without patience.

        :raises Inconclusive: Forbidden, KubeletUnreachable and others.
        """
        return self._once(f"{self._path('nodes', node)}/proxy/stats/summary", f"stats of node {node}", key="pods")

    def try_out(self, method: str, kind: str, namespace: str, name: str, body: t.Mapping[str, t.Any]) -> list[str]:
        """Send a change as a dry run, which stores nothing; returns what the API server warns of.

        :param method: V(patch), a strategic merge patch, or V(create).
        :param kind: in the plural, as in URLs.
        """
        is_patch = method == "patch"
        warnings: list[str] = []
        self._object(
            "patch" if is_patch else "post",
            self._path(kind, name if is_patch else "", namespace),
            f"{kind} {namespace}/{name}".rstrip("/"),
            body=dict(body),
            query=[("dryRun", "All"), ("fieldManager", "podshm"), ("fieldValidation", "Strict")],
            content_type="application/strategic-merge-patch+json" if is_patch else "application/json",
            warnings=warnings,
        )
        return warnings

    # ------------------------------------------------------------------- objects

    def nodes(self) -> list[dict[str, t.Any]]:
        """All nodes, as the API server returns them."""
        # resourceVersion 0: from the API server's cache, which is cheap in large clusters
        return list(self._list("nodes", "nodes", ("resourceVersion", "0")).get("items") or [])

    def node(self, name: str) -> dict[str, t.Any] | None:
        """One node, or nothing if the account may not look at it.

        :raises Inconclusive: NoNode, there is none of the name.
        """
        try:
            return self._object("get", self._path("nodes", name), f"node {name}")
        except Inconclusive as problem:
            if problem.reason is Reason.FORBIDDEN:
                return None
            if problem.reason is Reason.POD_GONE:
                raise Inconclusive(Reason.NO_NODE, "there is no node of this name", problem.subject) from None
            raise

    def runtime_class(self, name: str) -> dict[str, t.Any] | None:
        """A RuntimeClass, or nothing: what is wrong with it, the creation of its pods says."""
        try:
            return self._object("get", self._path("runtimeclasses", name), f"RuntimeClass {name}")
        except Inconclusive:
            return None

    def uid(self) -> str:
        """The uid of the cluster, which is that of its namespace kube-system; nothing if the account may not see it."""
        try:
            namespace = self._object("get", "/api/v1/namespaces/kube-system", "namespace kube-system")
        except Inconclusive as problem:
            if problem.reason in (Reason.FORBIDDEN, Reason.NAMESPACE_MISSING):
                return ""
            raise
        return str(namespace["metadata"]["uid"])

    def version(self) -> str:
        """The version of Kubernetes as the API server says it; nothing if it does not.

        The client's own is that of the first cluster that it ever met at this address: it keeps it in a file.
        """
        try:
            answer = self._object("get", "/version", f"version of API server {self.server}", key="")
        except Inconclusive as problem:
            if problem.reason is Reason.FORBIDDEN:
                return ""
            raise
        return quote(answer.get("gitVersion", ""))

    def create(self, manifest: dict[str, t.Any], dry_run: bool = False) -> dict[str, t.Any]:
        """Create one object in the namespace; returns it as stored."""
        return self._object(
            "post",
            self._path(f"{str(manifest['kind']).lower()}s"),
            describe(manifest),
            body=manifest,
            query=[("dryRun", "All")] if dry_run else [],
            read_seconds=_CREATE_SECONDS,
        )

    def patch(self, pod: str, subresource: str, patch: dict[str, t.Any]) -> dict[str, t.Any]:
        """Change a pod, or a subresource of it (strategic merge); returns the pod as stored.

        :raises Inconclusive: FeatureGateOff, the API server has no such subresource.
        """
        return self._object(
            "patch",
            f"{self._path('pods', pod)}/{subresource}".rstrip("/"),
            describe_pod(self.namespace, pod),
            body=patch,
            content_type="application/strategic-merge-patch+json",
            subresource=subresource,
        )

    def delete(self, stored: dict[str, t.Any]) -> None:
        """Delete an object as :meth:`create` returned it; one that is already gone is no failure."""
        kind, metadata = str(stored["kind"]).lower(), stored["metadata"]
        try:
            self._request(
                "delete",
                self._path(f"{kind}s", metadata["name"]),
                describe(stored),
                # the uid: never another object that has the name by now
                body={"propagationPolicy": "Background", "preconditions": {"uid": metadata["uid"]}},
            )
        except Inconclusive as problem:
            if problem.reason not in (Reason.POD_GONE, Reason.NAMESPACE_MISSING):
                raise

    def list_run_objects(self, selector: str) -> list[dict[str, t.Any]]:
        """All objects with these labels, of the three kinds that a run creates, as stored."""
        found = []
        for kind in _RUN_KINDS:
            plural = f"{kind.lower()}s"
            answer = self._list(plural, self._of_namespace(plural), ("labelSelector", selector))
            # a list does not repeat the kind
            found += [{**item, "kind": kind} for item in answer.get("items") or ()]
        return found

    def get_pod(self, name: str) -> dict[str, t.Any]:
        """One pod as it is now."""
        return self._object("get", self._path("pods", name), describe_pod(self.namespace, name))

    def events(self, pod: dict[str, t.Any]) -> list[dict[str, t.Any]]:
        """The events about a pod; none if the API server does not return them."""
        query = ("fieldSelector", f"involvedObject.uid={pod['metadata']['uid']}")
        try:
            answer = self._once(self._path("events"), self._of_namespace("events"), query, key="items")
        except Inconclusive:
            return []
        return list(answer.get("items") or [])

    def _once(self, path: str, subject: str, *query: tuple[str, str], key: str) -> dict[str, t.Any]:
        """The object that a GET returns now, without patience.

        :param key: what it has, if it is one of Kubernetes.
        """
        try:
            return self._json(self._look(path, subject, *query), key)
        except WeatherError as weather:
            raise weather.problem(0) from None

    def _look(self, path: str, subject: str, *query: tuple[str, str]) -> bytes:
        """What a GET returns now, without patience: for what only explains something."""
        options: dict[str, t.Any] = {"body": None, "query_params": list(query)}
        try:
            return bytes(self._send("get", path, subject, _LOOK_SECONDS, **options))
        except WeatherError as weather:
            raise weather.problem(0) from None

    def node_now(self, name: str) -> dict[str, t.Any]:
        """A node as it is now, or nothing if there is none of the name; with no more rights than a list needs."""
        query = ("fieldSelector", f"metadata.name={name}")
        found = self._once(self._path("nodes"), f"node {name}", query, key="items")
        return next(iter(found.get("items") or ()), {})

    def lease(self, node: str) -> str:
        """When the kubelet of a node last said that it lives, by its own clock; nothing if that cannot be seen."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}"
        try:
            return str(self._once(path, f"lease {node}", key="spec")["spec"]["renewTime"])
        except (Inconclusive, LookupError, TypeError):
            return ""

    def log(self, pod: str, container: str) -> bytes:
        """What a container wrote: at most one step's output and a byte."""
        body: bytes = self._log_of(pod, container, ("limitBytes", str(OUTPUT_BYTES + 1)))
        return body

    def follow_log(self, pod: str, container: str, timeout: float) -> LogSession:
        """What a container writes, from its start; returns as soon as it has written something.

        :param timeout: how long to follow it, in seconds.
        """
        response = self._log_of(pod, container, ("follow", "true"), stream=True, read_seconds=timeout)
        return LogSession(self._chunks(response), describe_container(self.namespace, pod, container))

    def _log_of(self, pod: str, container: str, *query: tuple[str, str], **options: t.Any) -> t.Any:
        subject = describe_container(self.namespace, pod, container)
        path, query = f"{self._path('pods', pod)}/log", (("container", container), *query)
        try:
            return self._request("get", path, subject, query=query, **options)
        except Inconclusive as problem:
            if problem.reason in (Reason.FORBIDDEN, Reason.API_ERROR, Reason.INVALID):
                raise Inconclusive(Reason.LOGS_UNAVAILABLE, problem.detail, subject) from None
            raise

    # --------------------------------------------------------------------- watch

    def list_pods(self, selector: str) -> dict[str, t.Any]:
        """The PodList of all pods with these labels, as the API server returns it."""
        return self._list("pods", self._of_namespace("pods"), ("labelSelector", selector))

    def pod_events(self, selector: str, version: str, seconds: int) -> collections.abc.Iterator[dict[str, t.Any]]:
        """The watch events since a resourceVersion, for so many seconds or until the connection ends.

        :raises Inconclusive: the connection broke, or what it brought is no event; both are transient.
        """
        response = self._request(
            "get",
            self._path("pods"),
            self._of_namespace("pods"),
            query=[
                ("watch", "true"),
                ("labelSelector", selector),
                ("resourceVersion", version),
                ("allowWatchBookmarks", "true"),
                ("timeoutSeconds", str(seconds)),
            ],
            read_seconds=seconds + _WATCH_SLACK,
            stream=True,
        )
        rest = b""
        for chunk in self._chunks(response):
            *lines, rest = (rest + chunk).split(b"\n")
            try:
                for line in lines:
                    if line.strip():
                        yield self._json(line, "")
            except WeatherError as weather:
                raise weather.problem(0) from None

    def _chunks(self, response: t.Any) -> collections.abc.Iterator[bytes]:
        """What a stream brings, as it comes.

        :raises Inconclusive: the connection broke.
        """
        try:
            for chunk in response.stream(None, decode_content=False):
                self._has_answered()
                yield bytes(chunk)
        except urllib3.exceptions.HTTPError as error:
            raise failed_connection(error, f"API server {self.server}") from None
        except ValueError as error:
            raise failed_answer(error, f"API server {self.server}") from None
        finally:
            response.close()

    # ---------------------------------------------------------------------- exec

    def exec(self, pod: str, container: str, command: t.Sequence[str], timeout: float, *, explain: Explain) -> Session:
        """Run a command in a container over one WebSocket, with stdin open (kata-containers#13640).

        :param timeout: for the connection, in seconds.
        :param explain: knows what the words of a command that did not start mean.
        :raises Inconclusive: ExecForbidden, ExecTransport, PodGone, NamespaceMissing, Unauthorized.
        """
        query = [("container", container), ("stdin", "true"), ("stdout", "true"), ("stderr", "true")]
        query += [("command", word) for word in command]
        path = f"{self._path('pods', pod)}/exec?{urllib.parse.urlencode(query)}"
        subject = describe_container(self.namespace, pod, container)

        def attempt(_tries: int) -> t.Any:
            seconds = min(timeout, _REQUEST_SECONDS[1], max(_LAST_SECONDS, self.until - time.monotonic()))
            try:
                return self._bounded(
                    lambda: open_websocket(self._client.configuration, path, self._headers(), seconds),
                    seconds,
                    lambda late: late.close(timeout=0),
                )
            except Expired:
                raise failed_upgrade(TimeoutError(f"no complete answer within {seconds:.3g} s"), subject) from None
            except websocket.WebSocketBadStatusException as error:
                status, headers = error.status_code, error.resp_headers
                # before 1.6.0 it keeps no body: what is not found is a pod, as far as is known
                unsaid = b'the pod "" not found' if status == 404 else b""
                body = getattr(error, "resp_body", unsaid) or b""
                problem = failed_exec(status, self._failed_request(status, body, subject), subject)
                if is_weather(status, status_message(body), headers) or self._can_yet_accept(problem.reason):
                    raise WeatherError(problem, status, headers) from None
                raise problem from None
            except (websocket.WebSocketException, OSError, ValueError, LookupError) as error:
                # before 1.9 it raises what its own code meets in an answer that is none
                name = isinstance(error, websocket.WebSocketAddressException) and next(iter(error.args), None)
                problem = failed_upgrade(name if isinstance(name, OSError) else error, subject)
                is_closed = isinstance(error, (ConnectionError, websocket.WebSocketConnectionClosedException))
                if is_closed or problem.reason in (Reason.API_UNREACHABLE, Reason.PROXY_UNUSABLE):
                    raise WeatherError(problem) from None
                raise problem from None

        socket = self._through_weather(f"exec in {subject}", attempt, waits=False)
        self._has_answered()
        return Session(socket, subject, explain)

    def exec_refusal(self, pod: str, timeout: float) -> Inconclusive | None:
        """Why an exec is refused before anybody looks for its pod; nothing, if it is not.

        :param pod: a name that no pod has.
        """
        try:
            self.exec(pod, "none", ("none",), timeout, explain=lambda _words, _subject: None).close()
        except Inconclusive as problem:
            return problem if problem.reason in NO_EXEC else None
        return None

    def _headers(self) -> list[tuple[str, str]]:
        """Credentials and impersonation, as the client would send them."""
        # several Impersonate-Group entries have equal names: keep a list
        headers = [(str(name), str(value)) for name, value in self._client.client.default_headers.items()]
        for setting in self._client.configuration.auth_settings().values():
            if setting.get("in") == "header" and setting.get("value"):
                headers.append((setting["key"], setting["value"]))
        return headers
