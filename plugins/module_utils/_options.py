# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Every option of a run, declared once: type, default, words, and how it becomes a setting (pure).

The modules' argument specs, their documentation (the doc fragments read this file), the variables of the playbook and of the
roles all follow from :data:`OPTIONS`. C(tests/tools/generate.py) writes what Ansible wants as a file.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import re
import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils import _profiles
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._checks.all import BY_ID
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._model import (
    Additions,
    NodeChoice,
    Settings,
    Transport,
)
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._overlay import MERGED, overlay
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._quantity import (
    MIB,
    is_fraction,
    parse_bytes,
    parse_millis,
)

#: Who has an option: every module that runs checks, those that measure sizes, or shm_check alone.
RUN: t.Final = "run"
SIZE: t.Final = "size"
CHECK: t.Final = "check"

#: The audit of workloads.
WORKLOAD: t.Final = "workload"

#: The report.
REPORT: t.Final = "report"


@dataclasses.dataclass(frozen=True)
class Option:
    """One option of a run.

    :param scope: :data:`RUN`, :data:`SIZE`, :data:`CHECK`, :data:`WORKLOAD` or :data:`REPORT`.
    :param text: its description, for C(ansible-doc): one entry a paragraph.
    :param short: the same in a few words, for the table of variables.
    :param role: the role that has it as a variable of its own, beside the playbook.
    :param shown_default: the default in Markdown, where the value itself says little.
    :param is_public: its name sounds like that of a secret, which it is not; Ansible would warn.
    """

    name: str
    type: str
    scope: str
    text: tuple[str, ...]
    short: str
    default: t.Any = None
    elements: str = ""
    choices: tuple[str, ...] = ()
    suboptions: tuple[Option, ...] = ()
    version_added: str = ""
    role: str = ""
    shown_default: str = ""
    is_public: bool = False

    def spec(self) -> dict[str, t.Any]:
        """The entry of an argument spec."""
        entry: dict[str, t.Any] = {"type": self.type}
        if self.default is not None:
            entry["default"] = self.default
        if self.elements:
            entry["elements"] = self.elements
        if self.is_public:
            entry["no_log"] = False
        if self.choices:
            entry["choices"] = list(self.choices)
        if self.suboptions:
            entry["options"] = {one.name: one.spec() for one in self.suboptions}
        return entry

    def documentation(self) -> dict[str, t.Any]:
        """The entry of the documentation."""
        entry: dict[str, t.Any] = {"description": list(self.text), "type": self.type}
        for name in ("elements", "version_added"):
            if getattr(self, name):
                entry[name] = getattr(self, name)
        if self.choices:
            entry["choices"] = list(self.choices)
        if self.default is not None:
            entry["default"] = self.default
        if self.suboptions:
            entry["suboptions"] = {one.name: one.documentation() for one in self.suboptions}
        return entry


OPTIONS: t.Final[tuple[Option, ...]] = (
    Option(
        "cluster",
        "str",
        RUN,
        ("The name of the cluster in results and messages.", "By default the O(context), else the O(host)."),
        "",
    ),
    Option(
        "checks",
        "list",
        CHECK,
        (
            (
                "The ids of the checks, for example V(SHM101), or groups (V(sysv), V(posix), V(resize), V(isolation), V(limits)) or "
                "tags (V(basic), V(postgresql); M(abcdesktopio.podshm.shm_catalog_info) lists them). By default the whole catalog."
            ),
            "C(!) before a word leaves out what it names. If every word has a C(!), the rest of the catalog runs.",
        ),
        'ids, groups and tags of the checks to run; `"!WORD"` leaves out',
        elements="str",
        shown_default="all",
    ),
    Option(
        "accept",
        "dict",
        RUN,
        (
            "Check ids whose V(FAIL) is accepted, each with a reason. The verdict is then V(WARN), with the reason.",
            (
                "C(ID@RUNTIMECLASS), for example C(SHM101@gvisor), accepts it under that RuntimeClass alone, and C(ID@) under the "
                "default runtime alone."
            ),
        ),
        "check ids, or `ID@RUNTIMECLASS`, whose FAIL is accepted, each with a reason",
        default={},
        shown_default="none",
    ),
    Option(
        "namespace",
        "str",
        RUN,
        ("The namespace for the pods of the run. It must exist. It is not changed.",),
        "an existing namespace for the pods",
        default="default",
    ),
    Option(
        "image",
        "str",
        RUN,
        (
            "The image for the containers of the probe. Nothing of it is executed, so any Linux image works.",
            (
                "By default one that the node already has, so that nothing is pulled: the sandbox image (C(pause)) if the node "
                "lists it, else its smallest one from a public registry."
            ),
        ),
        "the image for the containers of the probe; nothing of it is executed",
        default="",
        shown_default="one that the node already has",
    ),
    Option(
        "image_pull_secrets",
        "list",
        RUN,
        ("The names of Secrets in the O(namespace) that the O(image) is pulled with.",),
        "the names of Secrets in the namespace that the image is pulled with",
        default=[],
        elements="str",
        version_added="0.3.0",
        shown_default="those of the service account",
        is_public=True,
    ),
    Option(
        "nodes",
        "str",
        RUN,
        (
            (
                "V(representative) uses one node of each kind, the first by name that can be used. Nodes are of one kind if "
                "nothing differs that an answer can depend on: pool, architecture, operating system, kernel, kubelet and runtime, "
                "handlers, swap, taints, huge pages, devices, and the size of the memory to a power of two. "
                "RV(abcdesktopio.podshm.shm_check#module:run.targets) says which node represents which."
            ),
            "V(all) uses every node, V(first) only one.",
        ),
        "`representative` (one node of each kind), `all` or `first`",
        default="representative",
        choices=tuple(choice.value for choice in NodeChoice),
    ),
    Option(
        "node_names",
        "list",
        RUN,
        (
            "The names of the nodes to use, each of them. Nodes are then not listed, so the account needs no list on nodes.",
            (
                "A node that it may not get either is used unseen: O(image) is required, its architecture is that of "
                "C(kubernetes.io/arch) in O(node_selector) or else amd64, and checks that need its allocatable memory are V(SKIP)."
            ),
        ),
        "the nodes to use by name, if the account may not list nodes",
        default=[],
        elements="str",
        version_added="0.3.0",
        shown_default="all nodes",
    ),
    Option(
        "max_kinds",
        "int",
        RUN,
        (
            (
                "With O(nodes=representative), how many kinds of nodes are used at most, those with most nodes first. "
                "RV(abcdesktopio.podshm.shm_check#module:run.skipped_nodes) names the nodes of the others."
            ),
        ),
        "how many kinds of nodes are used at most; reports name the others",
        default=12,
        version_added="0.3.0",
    ),
    Option(
        "runtime_class",
        "str",
        RUN,
        ("The RuntimeClass of the pods. By default the cluster's default runtime.",),
        "the one RuntimeClass to run the checks under; for several, set `podshm_runtime_classes`",
        default="",
        shown_default="the default runtime",
    ),
    Option(
        "runtime_classes",
        "list",
        RUN,
        (
            "Several RuntimeClasses; every check runs under each. The empty name is the cluster's default runtime.",
            "Overrides O(runtime_class).",
        ),
        "several RuntimeClasses instead of `podshm_runtime_class`; the empty name is the default runtime",
        default=[],
        elements="str",
        shown_default="none",
    ),
    Option(
        "node_selector",
        "dict",
        RUN,
        ("Only nodes with these labels are eligible.",),
        "labels of the nodes that are eligible",
        default={},
        shown_default="all ready nodes without taints",
    ),
    Option(
        "tolerations",
        "list",
        RUN,
        ("Tolerations of the pods, as in a pod's C(spec.tolerations). Nodes with tolerated taints are eligible.",),
        "tolerations of the pods, for nodes with taints",
        default=[],
        elements="dict",
        shown_default="none",
    ),
    Option(
        "size_limit",
        "str",
        SIZE,
        (
            "The C(sizeLimit) to check, a Kubernetes quantity. The pod requests this much memory on its node, and fills it.",
        ),
        "the sizeLimit to check (SHM303)",
        default="512Mi",
        role="resize",
    ),
    Option(
        "default_size",
        "str",
        SIZE,
        (
            "The expected size of C(/dev/shm) when nobody sizes it, a Kubernetes quantity.",
            "Containerd and CRI-O use V(64Mi). Set it if the cluster is configured differently on purpose.",
        ),
        "the expected size of `/dev/shm` without a volume (SHM301)",
        default="64Mi",
        role="resize",
    ),
    Option(
        "fill",
        "bool",
        SIZE,
        (
            (
                "Whether to fill C(/dev/shm) with real writes. If not, its size is only measured: a check that would pass is "
                "V(WARN), since nothing shows that the limit is real; one that is about writing alone is V(SKIP)."
            ),
        ),
        "whether to fill `/dev/shm` with real writes; if not, its size is only measured, and a PASS of a size becomes WARN",
        default=True,
        role="resize",
    ),
    Option(
        "max_write",
        "str",
        SIZE,
        (
            (
                "No check fills C(/dev/shm) with more than this, a Kubernetes quantity. The check of a size that is not smaller "
                "is V(WARN), since nothing shows that the limit is real."
            ),
            "In addition, SHM309, SHM311, SHM312 and SHM316 write up to 34 MiB each.",
        ),
        "no container fills `/dev/shm` with more than this",
        default="1Gi",
        role="resize",
    ),
    Option(
        "profiles",
        "list",
        CHECK,
        (
            (
                "SHM601 compares the IPC sysctls with the needs of these programs. V(db2) is Db2 with 8 GiB of memory, "
                "V(postgresql) is PostgreSQL on Linux, which needs no System V semaphore."
            ),
        ),
        "the programs whose needs SHM601 compares with the IPC sysctls: `postgresql`, `oracle`, `db2`",
        default=["postgresql", "oracle"],
        elements="str",
        choices=tuple(sorted(_profiles.PROFILES)),
        role="limits",
        shown_default="`[postgresql, oracle]`",
    ),
    Option(
        "minimums",
        "dict",
        CHECK,
        (
            (
                "Minimum values by sysctl, for example V(kernel.shmmax) or V(fs.mqueue.msg_max). SHM601 requires them in "
                "addition to those of the O(profiles). V(kernel.sem) is four numbers."
            ),
        ),
        "additional minimum values for SHM601, by sysctl",
        default={},
        role="limits",
        shown_default="none",
    ),
    Option(
        "restart_kubelet",
        "list",
        CHECK,
        (
            (
                "The command and its arguments that restart the kubelet of a node, for SHM403, for example "
                'V([ssh, "{node}", sudo, systemctl, restart, kubelet]); C({node}) stands for the name of the node. It runs on the '
                "host that the module runs on, once per target, when all other checks are done."
            ),
            "By default nothing is restarted, and SHM403 is V(SKIP).",
        ),
        "the command that restarts the kubelet of the node `{node}`, for SHM403",
        default=[],
        elements="str",
        role="resize",
        shown_default="none: SHM403 is SKIP",
    ),
    Option(
        "resources",
        "dict",
        RUN,
        (
            (
                "The limits of each container. It requests all of the memory and a fifth of the CPU, since the pods of a run use "
                "the CPU in turns."
            ),
            "The container of SHM304 has no memory limit.",
        ),
        "CPU and memory limit of each container, and `ephemeral_storage`, if quotas or policies require other values",
        default={},
        suboptions=(
            Option(
                "cpu",
                "str",
                RUN,
                ("CPU of a container that fills C(/dev/shm), a Kubernetes quantity. The others get V(100m) at most.",),
                "",
                default="250m",
            ),
            Option(
                "memory",
                "str",
                RUN,
                ("Memory of each container beside what a check writes, a Kubernetes quantity of at least V(16Mi).",),
                "",
                default="32Mi",
            ),
            Option(
                "ephemeral_storage",
                "str",
                RUN,
                (
                    (
                        "Ephemeral storage that each container requests and is limited to, beside its volumes on the node's "
                        "disk, a Kubernetes quantity of at least V(1Mi). By default none is requested."
                    ),
                ),
                "",
                version_added="0.3.0",
            ),
        ),
        shown_default="`{cpu: 250m, memory: 32Mi}`",
    ),
    Option(
        "labels",
        "dict",
        RUN,
        ("Labels for all objects of the run. They do not replace the labels that the collection itself needs.",),
        "labels for all objects of the run, if your policies require them",
        default={},
        shown_default="none",
    ),
    Option(
        "annotations",
        "dict",
        RUN,
        ("Annotations for all objects of the run.",),
        "annotations for all objects of the run",
        default={},
        shown_default="none",
    ),
    Option(
        "priority_class",
        "str",
        RUN,
        ("The PriorityClass of the pods. One of a low priority keeps them from evicting others.",),
        "the PriorityClass of the pods",
        default="",
        version_added="0.3.0",
        shown_default="the cluster's default",
    ),
    Option(
        "service_account",
        "str",
        RUN,
        (
            "The service account of the pods, in the O(namespace). Its token is never mounted.",
            "Set it where the account decides what a pod may do, for example which SecurityContextConstraints it gets.",
        ),
        "the service account of the pods; its token is never mounted",
        default="",
        version_added="0.3.0",
        shown_default="`default`",
    ),
    Option(
        "pod_overlay",
        "dict",
        RUN,
        (
            "What is merged into every pod, if a policy demands what no other option is about.",
            f"It has fields of a pod: {', '.join(f'C({path})' for path in MERGED)}.",
            "Every other field is refused before anything is requested, since it could change what the checks find.",
        ),
        "fields that are merged into every pod, if a policy demands what no other option is about",
        default={},
        version_added="0.3.0",
        shown_default="none",
    ),
    Option(
        "timeout",
        "int",
        RUN,
        (
            (
                "How long the checks of one target (a node and a RuntimeClass) take at most, in seconds, without the removal of "
                "their objects."
            ),
        ),
        "seconds for one target (a node and a RuntimeClass), without the removal of its objects",
        default=60,
    ),
    Option(
        "total_timeout",
        "int",
        RUN,
        (
            (
                "How long a run with several targets takes at most, in seconds: as many times O(timeout) as there are targets, but "
                "not longer than this. Targets run one after the other; one without time is V(ERROR) (C(Timeout)) at once."
            ),
        ),
        "seconds for all targets together",
        default=600,
        version_added="0.3.0",
    ),
    Option(
        "start_timeout",
        "int",
        RUN,
        (
            "How long the start of a pod takes at most, in seconds.",
            (
                "A pod that waits for room that others have on its node or in a quota is waited for longer, in two thirds of "
                "O(timeout)."
            ),
        ),
        "seconds for the start of a pod",
        default=30,
    ),
    Option(
        "cleanup_timeout",
        "int",
        RUN,
        (
            (
                "How long the removal of the run's objects takes at most, in seconds. What is not gone by then is reported in "
                "RV(leftovers); the cluster removes it at the anchor's deadline."
            ),
        ),
        "seconds for the removal",
        default=30,
    ),
    Option(
        "step_timeout",
        "int",
        RUN,
        (
            (
                "How long one step of a check takes at most in a container, in seconds, and how long two containers wait for "
                "each other. Raise it on slow or emulated nodes."
            ),
        ),
        "seconds for one step of a check in a container; raise it on slow or emulated nodes",
        default=10,
        version_added="0.3.0",
    ),
    Option(
        "transport",
        "str",
        RUN,
        (
            (
                "How steps come to containers, and answers back. V(exec) needs pods/exec. With V(log), containers run their steps "
                "themselves, and the run reads their logs and grants some steps by an annotation: this needs C(patch) on pods "
                "and C(get) on pods/log, and takes longer. V(auto) is V(exec), and V(log) where an exec is refused."
            ),
        ),
        "exec, log (without pods/exec, slower), or auto: exec, and log where an exec is refused",
        choices=tuple(choice.value for choice in Transport),
        default=Transport.AUTO.value,
        version_added="0.3.0",
    ),
)

BY_NAME: t.Final[dict[str, Option]] = {option.name: option for option in OPTIONS}

#: Those of the audit of workloads, which is no run of checks.
WORKLOADS: t.Final[tuple[Option, ...]] = (
    dataclasses.replace(BY_NAME["cluster"], scope=WORKLOAD),
    Option(
        "manifests",
        "list",
        WORKLOAD,
        (
            (
                "Files and folders of manifests to audit instead of a cluster; V(-) is stdin, for the output of C(helm template) "
                "and C(kustomize build)."
            ),
            (
                "They are read on the controller, and all workloads in them are audited. No cluster is contacted, and the options "
                "that reach one, or choose from one by namespace, label, kind or name, have no effect."
            ),
        ),
        "files and folders of manifests to audit instead of a cluster; `-` is stdin",
        elements="str",
        shown_default="none",
    ),
    Option(
        "namespaces",
        "list",
        WORKLOAD,
        ("The namespaces to audit. By default all, which needs C(list) in all of them.",),
        "the namespaces to audit",
        elements="str",
        shown_default="all",
    ),
    Option(
        "label_selector",
        "str",
        WORKLOAD,
        ("Audit only pods, and what owns pods, with these labels. It is written as for C(kubectl).",),
        "audit only what has these labels",
        default="",
        shown_default="none",
    ),
    Option(
        "kinds",
        "list",
        WORKLOAD,
        (
            (
                "Audit only workloads of these kinds, for example V(StatefulSet). The kind is that of the topmost owner: a pod of "
                "a Deployment belongs to the V(Deployment), one of an operator to the operator's custom resource."
            ),
        ),
        "audit only these kinds of workloads",
        elements="str",
        shown_default="all",
    ),
    Option(
        "names",
        "list",
        WORKLOAD,
        ("Audit only workloads of these names.",),
        "audit only workloads of these names",
        elements="str",
        shown_default="all",
    ),
    Option(
        "logs",
        "bool",
        WORKLOAD,
        (
            (
                "Whether to read the last lines of containers that ended badly, and to look in them for signs of shared memory. "
                "It needs C(get) on pods/log. A finding quotes its line, without the values of the container's variables."
            ),
        ),
        "whether to read the last lines of containers that ended badly",
        default=False,
    ),
    Option(
        "fix",
        "str",
        WORKLOAD,
        (
            (
                "What is printed of the fixes. V(diff) prints what changes in the pods' specs, V(patch) the strategic merge patches, "
                "and V(kustomize) a component of kustomize with all of them. The result has them in any case."
            ),
            (
                "Of a cluster, each fix is also sent as a server-side dry run, which stores nothing: validation, admission and quota "
                "then say whether they take it (C(dry_run) of a workload). It needs C(patch) on what owns the pods, and C(create) on pods."
            ),
            "Pods of custom resources have no patch, since their operator would revert it. C(knobs) of a workload names its value.",
        ),
        "what is printed of the fixes: `none`, `diff`, `patch` or `kustomize`; on a cluster also what a dry run says of them",
        choices=("none", "diff", "patch", "kustomize"),
        default="none",
    ),
    Option(
        "fix_directory",
        "path",
        WORKLOAD,
        (
            (
                "With C(fix=kustomize), the folder that the component is written to, as C(kustomization.yaml), for example "
                "V(podshm-fix); of a cluster in a folder of its name in there. It is created if it is missing."
            ),
            "Name the folder in the C(components) of your kustomization. A file that is not of podshm is not replaced.",
        ),
        "with `podshm_fix: kustomize`, the folder that the component is written to",
        shown_default="none: it is printed",
    ),
    Option(
        "prove",
        "bool",
        WORKLOAD,
        (
            (
                "Whether to prove what the audit says. For each workload whose needs are known, a pod in its shape is created in its "
                "namespace and on its node, and deleted again: as it is, and with the fix. The probe is the command of its "
                "containers, and nothing of the workload runs. It is measured whether containers that must share do, and whether "
                "C(/dev/shm) can be filled with what the programs need."
            ),
            "No Secret, ConfigMap, claim, folder of the node or service account of the workload is used. It needs a cluster.",
        ),
        "whether to measure in pods of the same shape what the audit says",
        default=False,
    ),
    Option(
        "resize_holds",
        "bool",
        WORKLOAD,
        (
            (
                "Whether a proof does, when all else is measured, what the owner of a workload does: it raises the memory limit of "
                "a container and the sizeLimit of its volume in place, restarts the container, and says whether the size of "
                "C(/dev/shm) and its content hold. It needs O(prove), and C(patch) on pods/resize."
            ),
        ),
        "whether proofs also resize in place and restart a container",
        default=False,
    ),
    Option(
        "prove_timeout",
        "int",
        WORKLOAD,
        (
            "How long all proofs together take at most, in seconds. What is not proved by then is V(ERROR). One workload gets 120 s.",
        ),
        "seconds for all proofs together",
        default=600,
    ),
    dataclasses.replace(
        BY_NAME["transport"],
        scope=WORKLOAD,
        text=(
            (
                "How the steps of proofs come to containers, and answers back. V(exec) needs pods/exec. With V(log), containers run "
                "their steps themselves, and the run reads their logs and grants some steps by an annotation: this needs C(patch) "
                "on pods and C(get) on pods/log, and takes longer. V(auto) is V(exec), and V(log) where an exec is refused."
            ),
        ),
        version_added="",
    ),
    dataclasses.replace(BY_NAME["image"], scope=WORKLOAD),
    dataclasses.replace(
        BY_NAME["max_write"],
        scope=WORKLOAD,
        text=(
            "No proof fills C(/dev/shm) with more than this, a Kubernetes quantity. A larger need is V(ERROR) where it cannot be decided.",
        ),
        default="4Gi",
        role="",
    ),
    Option(
        "timeout",
        "int",
        WORKLOAD,
        ("How long reading from the cluster takes at most, in seconds.",),
        "",
        default=300,
    ),
    Option(
        "verbose",
        "bool",
        WORKLOAD,
        ("Whether to print also what each fix changes, and the pages of the findings. C(-v) does it, too.",),
        "",
        default=False,
    ),
)

#: Those of the report.
REPORTS: t.Final[tuple[Option, ...]] = (
    Option(
        "programs",
        "list",
        REPORT,
        (
            (
                "The programs of which the report says what the verdicts mean for them, for example V(postgresql). By default all "
                "that the collection knows, in a block of a few lines."
            ),
            (
                "Each of the programs that are named has a line of its own, and the manifest of its volume if it needs one. "
                "C(docs/adding-a-program.md) lists them."
            ),
        ),
        "the programs of which the report says what the verdicts mean for them, each in a line",
        elements="str",
        version_added="0.4.0",
        shown_default="all, in a block",
    ),
)


def require_fix(params: t.Mapping[str, t.Any]) -> None:
    """Nothing, if the options about fixes have a meaning together.

    :raises ValueError: they have none; the message names one.
    """
    fix = str(params.get("fix") or "none")
    choices = next(option.choices for option in WORKLOADS if option.name == "fix")
    if fix not in choices:
        raise ValueError(f"fix: {fix!r} is not one of {', '.join(choices)}")
    if params.get("fix_directory") and fix != "kustomize":
        raise ValueError(f"fix_directory: with fix: {fix} nothing is written; set fix: kustomize")


def of_scope(*scopes: str) -> list[Option]:
    """The options of some scopes, in the order of the table."""
    return [option for option in (*OPTIONS, *WORKLOADS, *REPORTS) if option.scope in scopes]


def spec(*scopes: str) -> dict[str, t.Any]:
    """The argument spec of some scopes."""
    return {option.name: option.spec() for option in of_scope(*scopes)}


def with_defaults(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The parameters of a module, and the defaults of the options that it does not have."""
    return {option.name: params.get(option.name, option.default) for option in OPTIONS}


def settings(params: t.Mapping[str, t.Any]) -> Settings:
    """The options of a run in base units.

    :param params: all of them, see :func:`with_defaults`.
    :raises ValueError: an option has no meaning; the message names it.
    """
    for name in ("timeout", "total_timeout", "start_timeout", "cleanup_timeout", "step_timeout"):
        if params[name] < 1:
            raise ValueError(f"{name}: {params[name]} is less than 1 second")
    if params["max_kinds"] < 1:
        raise ValueError(f"max_kinds: {params['max_kinds']} is less than 1")
    resources = params["resources"] or {}
    # an empty name is the cluster's default runtime
    runtime_classes = tuple(params["runtime_classes"] or [params["runtime_class"]])
    return Settings(
        namespace=params["namespace"],
        image=params["image"],
        node_selector=_texts(params["node_selector"]),
        tolerations=tuple(params["tolerations"]),
        runtime_classes=runtime_classes,
        nodes=NodeChoice(params["nodes"]),
        node_names=tuple(dict.fromkeys(params["node_names"] or ())),
        max_kinds=params["max_kinds"],
        accept=_accept(params["accept"], runtime_classes),
        cpu_millis=_number("resources.cpu", resources.get("cpu") or "250m", parse_millis, 1, "1m"),
        # below this the runtime itself does not fit into the container's cgroup
        memory_bytes=_size("resources.memory", resources.get("memory") or "32Mi", 16 * MIB),
        labels=_texts(params["labels"]),
        additions=_additions(params, resources),
        annotations=_texts(params["annotations"]),
        timeout=params["timeout"],
        total_timeout=params["total_timeout"],
        start_timeout=params["start_timeout"],
        cleanup_timeout=params["cleanup_timeout"],
        step_timeout=params["step_timeout"],
        size_limit_bytes=_size("size_limit", params["size_limit"]),
        default_size_bytes=_size("default_size", params["default_size"]),
        fill=params["fill"],
        max_write_bytes=_size("max_write", params["max_write"]),
        profiles=tuple(params["profiles"] or ()),
        minimums=_minimums(params["minimums"] or {}),
        restart_kubelet=tuple(params["restart_kubelet"] or ()),
        transport=Transport(params["transport"]),
    )


#: How long the proof of one workload takes at most, in seconds.
_PROOF_SECONDS: t.Final = 120

#: How long one step of a proof takes at most, in seconds: some write gigabytes.
_PROOF_STEP_SECONDS: t.Final = 40


def settings_of_proofs(params: t.Mapping[str, t.Any]) -> Settings | None:
    """The settings of the proofs of workloads; None, if there are to be none.

    :raises ValueError: an option has no meaning; the message names it.
    """
    if params["prove_timeout"] < 1:
        raise ValueError(f"prove_timeout: {params['prove_timeout']} is less than 1 second")
    if params["resize_holds"] and not params["prove"]:
        raise ValueError("resize_holds: nothing is resized without a proof; set prove, too")
    found = dataclasses.replace(
        settings(with_defaults(params)),
        timeout=min(_PROOF_SECONDS, params["prove_timeout"]),
        total_timeout=params["prove_timeout"],
        step_timeout=_PROOF_STEP_SECONDS,
    )
    return found if params["prove"] else None


def _texts(values: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in values.items()}


#: A DNS subdomain, as API servers require it of the names of objects.
_OBJECT: t.Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def _object_name(option: str, kind: str, name: t.Any) -> str:
    if not _OBJECT.fullmatch(str(name)) or len(str(name)) > 253:
        raise ValueError(f"{option}: {name!r} is no name of a {kind}; give the name alone, as kubectl shows it")
    return str(name)


def _additions(params: t.Mapping[str, t.Any], resources: t.Mapping[str, t.Any]) -> Additions:
    priority_class, service_account = params["priority_class"], params["service_account"]
    storage = resources.get("ephemeral_storage")
    labels, annotations, spec = overlay(params["pod_overlay"] or {})
    return Additions(
        image_pull_secrets=tuple(
            dict.fromkeys(
                _object_name("image_pull_secrets", "Secret", one) for one in params["image_pull_secrets"] or ()
            )
        ),
        priority_class=priority_class and _object_name("priority_class", "PriorityClass", priority_class),
        service_account=service_account and _object_name("service_account", "service account", service_account),
        # less is gone with the first lines of a log
        ephemeral_storage_bytes=_size("resources.ephemeral_storage", storage, MIB) if storage else 0,
        labels=labels,
        annotations=annotations,
        spec=spec,
    )


def _number(name: str, text: t.Any, parse: collections.abc.Callable[[t.Any], int], least: int, least_text: str) -> int:
    try:
        found = parse(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if found < least:
        raise ValueError(f"{name}: {text} is less than {least_text}")
    return found


def _size(name: str, text: t.Any, least: int = 1) -> int:
    # Kubernetes accepts thousandths of a byte and rounds up; for a size they are always a mistake
    word = str(text).strip()
    number = word.removesuffix("m")
    if number != word and number.isdecimal():
        raise ValueError(f"{name}: {word} is a fraction of a byte; did you mean {number}Mi?")
    if is_fraction(word):
        raise ValueError(f"{name}: {word} is a fraction of a byte; add a unit, for example Mi")
    return _number(name, text, parse_bytes, least, f"{least} bytes")


def _minimums(minimums: t.Mapping[str, t.Any]) -> _profiles.Minimums:
    try:
        return {str(sysctl): _profiles.numbers(str(sysctl), text) for sysctl, text in minimums.items()}
    except ValueError as error:
        raise ValueError(f"minimums: {error}") from None


def _accept(accept: t.Mapping[str, t.Any], runtime_classes: t.Collection[str]) -> dict[str, str]:
    for key, why in accept.items():
        check, at, runtime_class = str(key).partition("@")
        if check not in BY_ID:
            raise ValueError(
                f"accept: there is no check {check}; the playbook abcdesktopio.podshm.checks lists them, and a key is an id or "
                "ID@RUNTIMECLASS"
            )
        if at and runtime_class not in runtime_classes:
            requested = ", ".join(name or "the default runtime" for name in runtime_classes)
            raise ValueError(f"accept: {key} is about a RuntimeClass that is not requested; requested is {requested}")
        if not str(why or "").strip():
            raise ValueError(f"accept: {key} needs a reason")
        if isinstance(why, (bool, dict, list)):
            raise ValueError(f"accept: the reason of {key} is no text; nothing else is known of it, also no end")
    return {str(key): str(why) for key, why in accept.items()}
