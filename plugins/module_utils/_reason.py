# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Why a check is not decided: the closed list of reasons, each with a remedy that fits everything that raises it."""

from __future__ import annotations

import enum
import os
import traceback
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._secrets import KNOWN


class TextEnum(str, enum.Enum):  # noqa: UP042
    """Members are their texts. Not enum.StrEnum: ansible-test imports with Python 3.10 for ansible-core 2.16 and 2.17."""

    def __str__(self) -> str:
        """The text."""
        return str(self.value)

    def __format__(self, spec: str, /) -> str:
        """The text as others are formatted."""
        return format(str(self.value), spec)


class Reason(TextEnum):
    """The code of a reason. A code is never reused for another meaning."""

    # before the first request about a pod
    BAD_KUBECONFIG = "BadKubeconfig"
    AMBIGUOUS_CLUSTER = "AmbiguousCluster"
    API_UNREACHABLE = "ApiUnreachable"
    PROXY_UNUSABLE = "ProxyUnusable"
    TLS_UNTRUSTED = "TlsUntrusted"
    UNAUTHORIZED = "Unauthorized"
    PLUGIN_FAILED = "PluginFailed"
    API_ERROR = "ApiError"
    NOT_KUBERNETES = "NotKubernetes"
    # what the API server refuses
    FORBIDDEN = "Forbidden"
    NAMESPACE_MISSING = "NamespaceMissing"
    NAMESPACE_TERMINATING = "NamespaceTerminating"
    NAMESPACE_NOT_READY = "NamespaceNotReady"
    QUOTA_EXCEEDED = "QuotaExceeded"
    LIMIT_RANGE = "LimitRange"
    POD_SECURITY = "PodSecurity"
    ADMISSION_DENIED = "AdmissionDenied"
    SECURITY_CONSTRAINT = "SecurityConstraint"
    ANCHOR_CHANGED = "AnchorChanged"
    WEBHOOK_FAILED = "WebhookFailed"
    RUNTIME_CLASS_MISSING = "RuntimeClassMissing"
    PRIORITY_CLASS_MISSING = "PriorityClassMissing"
    INVALID = "Invalid"
    # where the pod should start
    NO_NODE = "NoNode"
    NOT_LINUX = "NotLinux"
    NO_IMAGE = "NoImage"
    IMAGE_VOLUME = "ImageVolume"
    NODE_UNKNOWN = "NodeUnknown"
    UNSCHEDULABLE = "Unschedulable"
    SCHEDULING_GATED = "SchedulingGated"
    NOT_SCHEDULED = "NotScheduled"
    KUBELET_REJECTED = "KubeletRejected"
    IMAGE_PULL = "ImagePull"
    IMAGE_REFUSED = "ImageRefused"
    PROBE_ARCH = "ProbeArch"
    PROBE_NO_EXEC = "ProbeNoExec"
    CONTAINER_START = "ContainerStart"
    SANDBOX_CREATE = "SandboxCreate"
    EVICTED = "Evicted"
    POD_FAILED = "PodFailed"
    POD_GONE = "PodGone"
    # what is lost in the middle of a run
    NODE_NOT_READY = "NodeNotReady"
    SUSPENDED = "Suspended"
    # on the way to the probe
    EXEC_FORBIDDEN = "ExecForbidden"
    EXEC_DENIED = "ExecDenied"
    EXEC_UPGRADE = "ExecUpgrade"
    EXEC_TRANSPORT = "ExecTransport"
    KUBELET_UNREACHABLE = "KubeletUnreachable"
    PIDS_LIMIT = "PidsLimit"
    LOGS_UNAVAILABLE = "LogsUnavailable"
    BAD_OUTPUT = "BadOutput"
    COMMAND_FAILED = "CommandFailed"
    PROBE_ERROR = "ProbeError"
    TIMEOUT = "Timeout"
    # what a cluster is free to refuse
    SYSCTL_FORBIDDEN = "SysctlForbidden"
    FEATURE_GATE_OFF = "FeatureGateOff"
    INFEASIBLE = "Infeasible"
    UNSUPPORTED = "Unsupported"
    NOT_VISIBLE = "NotVisible"
    NODE_HAS_NONE = "NodeHasNone"
    # rules that leave a check out
    NOT_REQUESTED = "NotRequested"
    CHECK_MODE = "CheckMode"
    PREMISE_FAILED = "PremiseFailed"
    CONTROL_FAILED = "ControlFailed"
    INTERRUPTED = "Interrupted"
    INTERNAL = "Internal"


#: Reason -> what to do about it.
REMEDIES: t.Final[dict[Reason, str]] = {
    Reason.BAD_KUBECONFIG: "check the path, the format and the context of the kubeconfig",
    Reason.AMBIGUOUS_CLUSTER: "name server and credentials in one place: by kubeconfig and context, or by host with its credentials",
    Reason.API_UNREACHABLE: "check the address of the API server, that it runs, and the network and proxies on the way",
    Reason.PROXY_UNUSABLE: "give the proxy what the message names: a Python package beside the Kubernetes client, or user and password in its URL; "
    "or name another HTTP proxy",
    Reason.TLS_UNTRUSTED: "name the certificate authority that signed the API server's certificate (ca_cert or the kubeconfig)",
    Reason.UNAUTHORIZED: "renew the token or client certificate; it is wrong or has expired",
    Reason.PLUGIN_FAILED: "run the credential plugin (exec of the kubeconfig) by hand on the host that Ansible runs the module on, and repair it",
    Reason.API_ERROR: "run again; if it stays, check the health and the logs of the API server and of what lies before it",
    Reason.NOT_KUBERNETES: "check the address of the API server: what answers there is something else, for example a proxy or a login page",
    Reason.FORBIDDEN: "grant the missing permission; docs/permissions.md has a Role and a ClusterRole that suffice",
    Reason.NAMESPACE_MISSING: "create the namespace, or name another with the option namespace",
    Reason.NAMESPACE_TERMINATING: "wait until the namespace is gone, or name another with the option namespace",
    Reason.NAMESPACE_NOT_READY: "create the service account that the message names; the cluster creates default by itself: run again in a moment",
    Reason.QUOTA_EXCEEDED: "raise the ResourceQuota that the message names, name another namespace, or lower the options resources and size_limit "
    "(what must be specified, resources can name: ephemeral_storage; a quota can be about one class: option priority_class)",
    Reason.LIMIT_RANGE: "name another namespace, or stay within the LimitRange with the options resources and size_limit (a ratio is no option)",
    Reason.POD_SECURITY: "allow the pod in this namespace, or name another; podshm's pods comply with the level restricted",
    Reason.ADMISSION_DENIED: "give the pods what the policy demands by an option (image, labels, namespace, resources, pod_overlay: docs/variables.md), "
    "or request an exception from it for pods labelled app.kubernetes.io/name=podshm",
    Reason.SECURITY_CONSTRAINT: "name a service account that may use a fitting constraint with the option service_account, or allow "
    "it to the present one: oc adm policy add-scc-to-user nonroot-v2 -z default -n NAMESPACE",
    Reason.ANCHOR_CHANGED: "exempt Jobs and pods labelled app.kubernetes.io/name=podshm from the policy or controller that changes "
    "them, or name another namespace (Kueue: one outside managedJobsNamespaceSelector; a queue belongs into pod_overlay, not into labels)",
    Reason.WEBHOOK_FAILED: "repair the admission webhook that the message names, or remove its configuration; it gave no answer",
    Reason.RUNTIME_CLASS_MISSING: "create the RuntimeClass and configure its handler on the node, or name another with the option runtime_class",
    Reason.PRIORITY_CLASS_MISSING: "create the PriorityClass that the message names, or name another with the option priority_class",
    Reason.INVALID: "correct the option that the API server names; if none of yours says it, find the admission policy that changed the object",
    Reason.NO_NODE: "make a node Ready and free for scheduling, or change node_selector or tolerations (where a workload is proved, its own)",
    Reason.NOT_LINUX: "nothing to do: Windows has no emptyDir of medium Memory, and the probe is a Linux program",
    Reason.NO_IMAGE: "name an image that the node can run with the option image",
    Reason.IMAGE_VOLUME: "name an image that declares no VOLUME on /dev/shm with the option image",
    Reason.UNSCHEDULABLE: "free what the message says is missing, lower the option resources, or change node_selector or tolerations",
    Reason.SCHEDULING_GATED: "have the owner of the gate open it (Kueue: label the pods with a queue by the option pod_overlay), "
    "or name a namespace without it",
    Reason.NOT_SCHEDULED: "see whether the scheduler that the message names is there and runs; the option pod_overlay or a webhook names it",
    Reason.KUBELET_REJECTED: "run again; if it stays, select another node with node_selector, or mend on this one what the message says",
    Reason.NODE_UNKNOWN: "nothing to do, if only this is missing; else run with list or get on nodes, on a cluster that shows its real nodes",
    Reason.IMAGE_PULL: "name an image that the node has or can pull with the option image; a private one needs the option image_pull_secrets",
    Reason.IMAGE_REFUSED: "name an image that pods of this namespace may pull with the option image; the kubelet verifies who may use one",
    Reason.PROBE_ARCH: "name an image and a node of an architecture that the probe is built for",
    Reason.PROBE_NO_EXEC: "mount the kubelet's volumes without noexec on this node, so that the probe can run from a ConfigMap",
    Reason.CONTAINER_START: "read the message, and the logs of the kubelet and the runtime on the node: the container never ran",
    Reason.SANDBOX_CREATE: "read the message, and the log of the runtime on the node: the sandbox of the pod needs its CNI plugin, its runtime and disk",
    Reason.EVICTED: "free memory or disk on the node as the message says, or select another node with node_selector",
    Reason.POD_FAILED: "read the message, and the log of the kubelet on the node: the pod ended in a way that it should not",
    Reason.POD_GONE: "run again; the pod was deleted during the run, and not by podshm",
    Reason.NODE_NOT_READY: "look at the node: whether its kubelet and its runtime run, and reach the API server; then run again",
    Reason.SUSPENDED: "run again, on a machine that does not sleep, and without stopping the process",
    Reason.EXEC_FORBIDDEN: "grant the verbs get and create on pods/exec (Kubernetes 1.35 and newer need both), or patch on pods "
    "and get on pods/log: the run then goes without exec",
    Reason.EXEC_DENIED: "have the admission policy that the message names allow connections to pods/exec of pods labelled app.kubernetes.io/name=podshm",
    Reason.EXEC_UPGRADE: "check proxies and load balancers on the way to the API server: they must pass WebSocket upgrades",
    Reason.EXEC_TRANSPORT: "run again; if it stays, look for idle timeouts on the way to the API server, and at the logs of kubelet and runtime on the node",
    Reason.KUBELET_UNREACHABLE: "check the way from the API server to the kubelet: port 10250, an approved serving certificate, the API server's rights",
    Reason.PIDS_LIMIT: "raise the limit of processes: podPidsLimit of the kubelet, or pids.max of what the node runs in",
    Reason.LOGS_UNAVAILABLE: "check that the kubelet answers the API server, and grant get on pods/log",
    Reason.BAD_OUTPUT: "find what alters the output of containers on the way from the node, then run again",
    Reason.COMMAND_FAILED: "run the command by hand on the host that Ansible runs the module on, and repair it",
    Reason.PROBE_ERROR: "report this with the evidence: the probe refused its own step",
    Reason.TIMEOUT: "raise the option timeout, total_timeout, start_timeout or step_timeout, or find what is slow",
    Reason.SYSCTL_FORBIDDEN: "allow the sysctl in the kubelet's allowedUnsafeSysctls, if workloads need it",
    Reason.FEATURE_GATE_OFF: "upgrade the cluster or turn on the feature gate, if workloads need it",
    Reason.INFEASIBLE: "read the message: the node cannot do it (cgroup v1 cannot resize memory-backed volumes)",
    Reason.UNSUPPORTED: "use a node whose runtime and kernel support it, if workloads need it",
    Reason.NOT_VISIBLE: "nothing to do: the runtime hides from containers what the check measures",
    Reason.NODE_HAS_NONE: "nothing to do, unless workloads need on this node what the message names: the node has none",
    Reason.NOT_REQUESTED: "set the option that the message names, if you want an answer",
    Reason.CHECK_MODE: "run without check mode to get a verdict",
    Reason.PREMISE_FAILED: "read the message: a precondition of the check is not met here; fix it and run again",
    Reason.CONTROL_FAILED: "fix what the control check reports first; verdicts depend on the controls",
    Reason.INTERRUPTED: "run again",
    Reason.INTERNAL: "report this as a bug of podshm, with the message",
}

#: Reasons that say that the cluster as a whole is out of reach.
UNREACHABLE: t.Final = frozenset(
    {
        Reason.BAD_KUBECONFIG,
        Reason.AMBIGUOUS_CLUSTER,
        Reason.API_UNREACHABLE,
        Reason.TLS_UNTRUSTED,
        Reason.UNAUTHORIZED,
        Reason.PLUGIN_FAILED,
        Reason.NOT_KUBERNETES,
        Reason.PROXY_UNUSABLE,
    }
)

#: Reasons that can be gone a moment later: an API server that restarts or is overloaded.
TRANSIENT: t.Final = frozenset({Reason.API_UNREACHABLE, Reason.API_ERROR, Reason.NOT_KUBERNETES})

#: Reasons of an exec that did not come about or broke, and that can work a moment later.
BROKEN: t.Final = frozenset(
    {Reason.EXEC_TRANSPORT, Reason.EXEC_UPGRADE, Reason.KUBELET_UNREACHABLE, Reason.API_UNREACHABLE}
)

#: Reasons of an exec that this cluster, or the way to it, does not let come about.
NO_EXEC: t.Final = frozenset({Reason.EXEC_FORBIDDEN, Reason.EXEC_DENIED, Reason.EXEC_UPGRADE, Reason.PROXY_UNUSABLE})

#: Reasons of a cluster that refuses the pod of a check, or a request about it, by its own rules.
REFUSALS: t.Final = frozenset(
    {Reason.ADMISSION_DENIED, Reason.SECURITY_CONSTRAINT, Reason.POD_SECURITY, Reason.FORBIDDEN}
)

#: Reasons of a rule of the cluster that refuses a pod for what it requests.
POLICIES: t.Final = (Reason.POD_SECURITY, Reason.ADMISSION_DENIED, Reason.SECURITY_CONSTRAINT)


#: How much is kept of anything that is quoted, of a line with such words in it, and how much is looked at, in characters.
_QUOTE: t.Final = 400
_LINE: t.Final = 2000
_LOOK: t.Final = 65536


def printable(text: object) -> str:
    """Text that may hold foreign words, safe for a terminal and for one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(str(text).split()))


def quote(text: object) -> str:
    """Foreign words for one line of ours: without secrets, printable, bounded."""
    return line(text)[:_QUOTE]


def line(text: object) -> str:
    """One line of ours, which can hold foreign words: without secrets, printable, bounded."""
    # first the secrets: half of one is not found any more
    return printable(KNOWN.hidden(str(text)[:_LOOK]))[:_LINE]


class Inconclusive(Exception):
    """A check that cannot be decided: never a PASS, never a FAIL.

    :param reason: why.
    :param detail: the cause in one line, without secrets.
    :param subject: the object it is about, for example V(pod default/podshm-1f3a-pair).
    """

    def __init__(self, reason: Reason, detail: str, subject: str = "") -> None:
        self.reason = reason
        self.detail = line(detail)
        self.subject = line(subject)
        super().__init__(f"{subject}: {self.detail}" if subject else self.detail)

    @property
    def remedy(self) -> str:
        """What to do about it, in one line."""
        return REMEDIES[self.reason]


def internal(error: Exception) -> Inconclusive:
    """An error of ours. Its message can quote anything, so only its place is said."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return Inconclusive(Reason.INTERNAL, f"{type(error).__name__} in {os.path.basename(frame.filename)}:{frame.lineno}")
