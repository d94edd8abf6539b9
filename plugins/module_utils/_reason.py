# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Why a check could not be decided: the closed list of reasons, each with its remedy."""

from __future__ import annotations

import typing as t

#: Reason code -> what a person can do about it. A code is never reused for another meaning.
REMEDIES: t.Final[dict[str, str]] = {
    # before anything was asked
    "BadKubeconfig": "check the path, the format and the context of the kubeconfig",
    "ApiUnreachable": "check the address of the API server, that it runs, and the network and proxies in between",
    "TlsUntrusted": "give the certificate authority that signed the API server's certificate (ca_cert or the kubeconfig)",
    "Unauthorized": "renew the token or client certificate; it is wrong or has expired",
    "ApiError": "look at the API server's own health and logs, then run again",
    # what the API server refused
    "Forbidden": "grant the missing permission; docs/permissions.md has a Role and ClusterRole that suffice",
    "NamespaceMissing": "create the namespace, or name another with the option namespace",
    "NamespaceTerminating": "wait until the namespace is gone, or name another with the option namespace",
    "NamespaceNotReady": "run again when the namespace has its service account default; the cluster makes it in a moment",
    "QuotaExceeded": "raise the ResourceQuota, ask for less with the options resources and size_limit, or name another namespace",
    "LimitRange": "stay within the LimitRange with the options resources and size_limit, or name another namespace",
    "PodSecurity": "allow the pod in this namespace, or name another; podshm's pods comply with the level restricted",
    "AdmissionDenied": "ask the owner of the admission policy for an exception for pods labelled app.kubernetes.io/name=podshm",
    "RuntimeClassMissing": "create the RuntimeClass, or name another with the option runtime_class",
    "Invalid": "correct the option that the API server names",
    # where the pod should have started
    "NoNode": "change node_selector or tolerations, or make a node schedulable",
    "NotLinux": "nothing to do: Windows has no emptyDir of medium Memory, and the probe is a Linux program",
    "NoImage": "name an image that the node can run with the option image",
    "Unschedulable": "free capacity or ask for less with the option resources; change node_selector or tolerations",
    "ImagePull": "name an image that the node has or can pull with the option image",
    "ProbeArch": "name an image and node of an architecture that the probe is built for",
    "ProbeNoExec": "mount the kubelet's volumes without noexec on this node, so that the probe can run from a ConfigMap",
    "ContainerStart": "read the message and the node's runtime log; the container never ran",
    "SandboxCreate": "check the node's CNI and runtime; the pod's sandbox could not be created",
    "Evicted": "free memory on the node or choose another with node_selector",
    "PodFailed": "read the message; the pod ended before it was asked",
    "PodGone": "run again; somebody or something deleted the pod during the run",
    # on the way to the probe
    "ExecForbidden": "grant the verbs get and create on pods/exec (Kubernetes 1.35 and newer ask for both)",
    "ExecTransport": "check proxies and load balancers between here and the API server: they must pass WebSocket upgrades",
    "LogsUnavailable": "check that the kubelet answers the API server, and the permission to get pods/log",
    "BadOutput": "look for something that alters the output of containers between the node and here, then run again",
    "CommandFailed": "run the command by hand on the host that Ansible runs the module on, and mend it",
    "ProbeError": "report this with the evidence: the probe refused its own step",
    "Timeout": "raise the option timeout, start_timeout or step_timeout, or look for what is slow",
    # what a cluster may rightly refuse
    "SysctlForbidden": "allow the sysctl in the kubelet's allowedUnsafeSysctls, if workloads need it",
    "FeatureGateOff": "upgrade the cluster or turn on the feature gate, if workloads need it",
    "Infeasible": "the node cannot do it: read the message (cgroup v1 cannot resize memory-backed volumes)",
    "Unsupported": "use a node whose runtime and kernel can do it, if workloads need it",
    "NotVisible": "nothing to do: the runtime does not show containers what the check looks at",
    # rules that take a check out
    "NotAsked": "give the option that the check names, if you want an answer",
    "CheckMode": "run without check mode to get a verdict",
    "PremiseFailed": "read the message: what the check builds on does not hold here, so it decides nothing; mend that first",
    "ControlFailed": "look at the control check first; the verdict leans on it",
    "Interrupted": "run again",
    "Internal": "report this as a bug of podshm, with the message",
}


#: How much is kept of anything that is quoted, in characters.
_QUOTE: t.Final = 400


def printable(text: object) -> str:
    """Text that may hold somebody else's words, safe for a terminal and for one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(str(text).split()))


def quote(text: object) -> str:
    """Somebody else's words for one line of ours: printable, bounded."""
    return printable(text)[:_QUOTE]


class Undecided(Exception):
    """A question that could not be answered: never a PASS, never a FAIL.

    :param reason: a code of :data:`REMEDIES`.
    :param detail: the cause in one line, without secrets.
    :param subject: the object it is about, for example V(pod default/podshm-1f3a-pair).
    """

    def __init__(self, reason: str, detail: str, subject: str = "") -> None:
        if reason not in REMEDIES:
            raise ValueError(f"unknown reason {reason}")
        self.reason = reason
        self.detail = " ".join(detail.split())
        self.subject = subject
        super().__init__(f"{subject}: {self.detail}" if subject else self.detail)

    @property
    def remedy(self) -> str:
        """What a person can do about it, in one line."""
        return REMEDIES[self.reason]


#: Reasons that say the cluster as a whole could not be asked.
UNREACHABLE: t.Final[frozenset[str]] = frozenset({"BadKubeconfig", "ApiUnreachable", "TlsUntrusted", "Unauthorized"})
