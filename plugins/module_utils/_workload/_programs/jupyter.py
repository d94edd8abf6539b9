# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Notebooks of JupyterHub and Kubeflow. What they need is what people run in them."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs import pytorch
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Knob,
    Marks,
    Need,
    Program,
    Uses,
    runs,
)

PROGRAM: t.Final = Program(
    name="jupyter",
    title="Jupyter notebook",
    marks=Marks(
        images=r"(.*-)?notebook|jupyter(lab)?(-(scipy|pytorch|tensorflow|datascience|minimal|pyspark|cuda).*)?"
        r"|k8s-singleuser-sample|codeserver-python",
        unless=r".*(controller|hub|operator|exporter|web-app|api|proxy).*",
        command=runs(
            r"jupyter(-lab|-notebook| lab| notebook| server)|jupyterhub-singleuser|start-(notebook|singleuser)\.(sh|py)"
        ),
        env=r"JUPYTERHUB_.*|NB_PREFIX",
        ports=(8888,),
        labels=("component=singleuser-server", "notebook-name"),
        containers=r"(?!istio-proxy$|.*-proxy$).+",
    ),
    settings=pytorch.SETTINGS,
    needs=(pytorch.BATCHES, Need(Uses.DEV_SHM, "what people run in it")),
    knobs=(
        Knob(
            "JupyterHub chart",
            "values of the chart, with a mount on /dev/shm in singleuser.storage.extraVolumeMounts",
            ("component=singleuser-server",),
            (),
            "singleuser: {{storage: {{extraVolumes: [{{name: dshm, emptyDir: {{medium: Memory, sizeLimit: {size}}}}}]}}}}",
        ),
        Knob(
            "Kubeflow Notebook",
            "a volume in spec.template.spec of the Notebook, or the value shm of its form, which has no size",
            ("notebook-name",),
            ("Notebook",),
        ),
    ),
    sources=(
        "https://z2jh.jupyter.org/en/stable/jupyterhub/customizing/user-storage.html",
        "https://github.com/kubeflow/kubeflow/blob/master/components/crud-web-apps/jupyter/backend/apps/common/form.py",
        "https://github.com/pangeo-data/pangeo/issues/258",
    ),
)
