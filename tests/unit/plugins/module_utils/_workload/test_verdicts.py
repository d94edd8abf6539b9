# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the data say of a program is what the program did when it was run, or what its makers wrote."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import recognise, rules
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.shape import shape


class Case(t.NamedTuple):
    """A container, and the size of its volume on /dev/shm; without one it has the default."""

    command: str
    image: str
    size: str
    gpus: int
    env: dict[str, str]

    def spec(self, name: str) -> dict[str, t.Any]:
        limits = {"memory": "64Gi"} | ({"nvidia.com/gpu": str(self.gpus)} if self.gpus else {})
        return {
            "name": name,
            "image": self.image,
            "command": self.command.split(),
            "env": [{"name": key, "value": value} for key, value in self.env.items()],
            "resources": {"limits": limits},
            "volumeMounts": [{"name": name, "mountPath": "/dev/shm"}] if self.size else [],
        }

    def volume(self, name: str) -> dict[str, t.Any]:
        return {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": self.size}}


def container(command: str = "", image: str = "debian:12", size: str = "", gpus: int = 0, **env: str) -> Case:
    return Case(command, image, size, gpus, env)


def found(containers: t.Sequence[Case], **spec: t.Any) -> list[tuple[str, str]]:
    """The findings of a pod: rule and severity. Those that unsafe sysctls have anyway are left out."""
    named = {f"c{index}": one for index, one in enumerate(containers)}
    pod = shape(
        {},
        {
            "containers": [one.spec(name) for name, one in named.items()],
            "volumes": [one.volume(name) for name, one in named.items() if one.size],
            **spec,
        },
    )
    runs = {one.name: recognise.recognised(pod, one, PROGRAMS) for one in pod.containers}
    audited = rules.Audited(pod, runs, {})
    return [(one.rule, one.severity.value) for one in rules.findings(audited) if one.rule != "SHM709"]


FAIL: t.Final = [("SHM701", "FAIL")]
WARN: t.Final = [("SHM701", "WARN")]
SMALL_VOLUME: t.Final = [("SHM702", "FAIL")]
LOADED: t.Final = [("SHM702", "WARN")]
WORKAROUND: t.Final = [("SHM715", "WARN")]
FOR_NOTHING: t.Final = [("SHM716", "WARN")]

_PG: t.Final = "postgres:15.18"
_HEAP: t.Final = "java -XX:AllocateHeapAt=/dev/shm -Xms256m -Xmx256m -XX:+AlwaysPreTouch -version"
_SHARED: t.Final = (
    "python3 -c from multiprocessing import shared_memory as m; s=m.SharedMemory(create=True,size=100<<20)"
)


@pytest.mark.parametrize(
    ("case", "wanted"),
    [
        # measured: VACUUM with default settings fails at 64 MiB; so does a join with work_mem=64MB
        (container(image=_PG), FAIL),
        (container("postgres -c work_mem=64MB", image=_PG), FAIL),
        (container("postgres -c work_mem=64MB -c max_parallel_maintenance_workers=0", image=_PG), FAIL),
        (container("postgres -c min_dynamic_shared_memory=512MB", image=_PG), []),
        (container("postgres -c dynamic_shared_memory_type=sysv", image=_PG), []),
        (container("postgres -c dynamic_shared_memory_type=mmap", image=_PG), WORKAROUND),
        (
            container("postgres -c max_parallel_maintenance_workers=0 -c max_parallel_workers_per_gather=0", image=_PG),
            [],
        ),
        (container("postgres -c maintenance_work_mem=32MB", image=_PG), WARN),
        (container(size="512Mi", image=_PG), []),
        (
            container("postgres -c work_mem=16MB -c max_parallel_workers_per_gather=4", size="128Mi", image=_PG),
            SMALL_VOLUME,
        ),
        (container("postgres -c huge_pages=on", image="postgres:17", size="1Gi"), [("SHM712", "FAIL")]),
        (container("postgres -c huge_pages=try", image="postgres:17", size="1Gi"), []),
        # 17 has no such VACUUM: only many joins at a time are too much
        (container(image="postgres:17"), WARN),
        (container(image="postgres:17", size="256Mi"), []),
        # 14 has half of the memory for a join
        (container("postgres -c max_parallel_maintenance_workers=0", image="postgres:14", size="128Mi"), []),
        (container("postgres -c max_parallel_maintenance_workers=0", image="postgres:15", size="128Mi"), LOADED),
        # measured: ends at 64 and 128 MiB, runs at 256
        (container("iox-roudi"), FAIL),
        (container("iox-roudi", size="128Mi"), SMALL_VOLUME),
        (container("iox-roudi", size="256Mi"), []),
        (container("iox-roudi -c /etc/small.toml"), []),
        # measured: refused at 64 MiB, or never connected; both work at 512
        (container("java -cp aeron-all-1.44.1.jar A.java aeron:ipc"), FAIL),
        (container("java -cp aeron-all-1.44.1.jar A.java aeron:ipc", size="512Mi"), []),
        (container("java -cp aeron-all-1.44.1.jar A.java aeron:udp?endpoint=localhost:40123"), FAIL),
        (container("java -cp aeron-all-1.44.1.jar A.java aeron:udp?endpoint=localhost:40123", size="512Mi"), []),
        (container("java -Daeron.ipc.term.buffer.length=1m -cp aeron-all-1.44.1.jar A.java aeron:ipc"), WARN),
        (container("java io.aeron.driver.MediaDriver"), WARN),
        (container("java -Daeron.dir=/tmp/aeron io.aeron.driver.MediaDriver"), []),
        # measured: 135 at 64 MiB; an Array takes /tmp
        (container(_SHARED), FAIL),
        (container(_SHARED, size="512Mi"), []),
        (container("python3 -c from multiprocessing import RawArray; RawArray('b',100<<20)"), []),
        # the size of a sample is not to be seen: never a FAIL
        (container("torchrun train.py --num_workers 8 --batch-size 256"), WARN),
        (container("torchrun train.py --num_workers 0"), []),
        # measured: dies at 64 MiB with samples of 12 MiB, and works at 512
        (container("torchrun train.py --num_workers 2 --batch-size 8"), WARN),
        (container("torchrun train.py --num_workers 2 --batch-size 8", size="512Mi"), []),
        (container("python infer.py", image="pytorch/pytorch:2.3"), []),
        (container("python train.py", image="pytorch/pytorch:2.3", gpus=1), WARN),
        # workers of a web server, and models that only answer
        (container("uvicorn app:app --workers 4", image="pytorch/pytorch:2.3", gpus=1), []),
        (container("python server.py", image="pytorch/pytorch:2.3", gpus=1), []),
        (container("yolo predict model=yolo11n.pt", image="ultralytics/ultralytics:8.3", gpus=1), []),
        (container("python infer.py --num-workers 4", image="pytorch/pytorch:2.3", gpus=1), WARN),
        (container("torchrun train.py", size="1Gi"), []),
        # measured: 300 processes with few metrics take 4.7 MiB; 47 with 12,000 label values each are too many
        (container("gunicorn --workers 300 app", PROMETHEUS_MULTIPROC_DIR="/dev/shm/metrics"), WARN),
        (container("gunicorn --workers 60 app", PROMETHEUS_MULTIPROC_DIR="/dev/shm/metrics"), WARN),
        (container("gunicorn --workers 60 app", PROMETHEUS_MULTIPROC_DIR="/dev/shm/metrics", size="128Mi"), []),
        (container("gunicorn --workers 8 app", PROMETHEUS_MULTIPROC_DIR="/dev/shm/metrics"), []),
        # measured: starts and takes /tmp; a store above 10 GB is refused
        (container("ray start --head"), WARN),
        (container("ray start --head --object-store-memory=150000000"), WARN),
        (container("ray start --head --object-store-memory=12000000000"), FAIL),
        (
            container("ray start --object-store-memory=12000000000", RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE="1"),
            [("SHM701", "WARN"), ("SHM715", "WARN")],
        ),
        (container("ray start --head --object-store-memory=150000000", size="512Mi"), []),
        # measured: 153 crashes at 64 MiB, with the flag it does not; 156 uses nothing
        (container(image="chromedp/headless-shell:153"), FAIL),
        (container("chromium --disable-dev-shm-usage", image="chromedp/headless-shell:153"), WORKAROUND),
        (container(image="chromedp/headless-shell:153", size="512Mi"), []),
        (container(image="chromedp/headless-shell:156"), []),
        (container(image="chromedp/headless-shell:155"), WARN),
        # these images start it with the flag; a command of one's own has it or not
        (container(image="zenika/alpine-chrome:124"), []),
        (container("--headless --remote-debugging-port=9222", image="zenika/alpine-chrome:124"), []),
        (container("chromium-browser --headless", image="zenika/alpine-chrome:124"), FAIL),
        (container("node browse.js /usr/bin/chromium", image="zenika/alpine-chrome:124"), FAIL),
        (container(image="ghcr.io/browserless/chromium:v2.24.1"), []),
        (container(image="selenium/standalone-chrome:4.15.0-20231129"), FAIL),
        (container(image="selenium/standalone-chrome:latest"), []),
        (container(image="selenium/standalone-chrome:latest", size="2Gi"), []),
        (container(image="chromedp/headless-shell:156", size="2Gi"), FOR_NOTHING),
        (container(image="mcr.microsoft.com/playwright:v1.44"), []),
        (container(image="selenium/node-firefox:120.0"), []),
        (container(image="selenium/node-firefox:120.0", size="2Gi"), FOR_NOTHING),
        # refuses since July 2026, died before
        (container("vllm serve x -tp 2", gpus=2), FAIL),
        (container("vllm serve x -tp 2", gpus=2, size="2Gi"), []),
        (container("vllm serve x -tp 8", gpus=8, size="2Gi"), LOADED),
        (container("vllm serve x -tp 8", gpus=8, size="4Gi"), []),
        # a variable, with its value in the pod or not
        (container("vllm serve x --tensor-parallel-size $(TP)", gpus=4, TP="4"), FAIL),
        (container("vllm serve x --tensor-parallel-size=${TP}", gpus=4, TP="1"), []),
        (container("vllm serve x --tensor-parallel-size $TP", TP="4"), FAIL),
        (container("vllm serve x --tensor-parallel-size $(nvidia-smi)", gpus=4), FAIL),
        (container("vllm serve x --tensor-parallel-size $(nvidia-smi)", gpus=1), []),
        (container("python -m sglang.launch_server --tp $GPUS", gpus=8), WARN),
        (container("vllm serve x", gpus=1), []),
        # Ray starts the workers: no queues, and NCCL
        (container("vllm serve x -tp 4 --distributed-executor-backend ray", gpus=4), WARN),
        (container("vllm serve x -tp 8 --pipeline-parallel-size 2", gpus=8), WARN),
        (container("vllm serve x -tp 16 --nnodes 2", gpus=8), FAIL),
        # NCCL between the experts, or between what others start on a node of Ray
        (container("vllm serve x --data-parallel-size 8 --enable-expert-parallel", gpus=8), WARN),
        (container("vllm serve x --data-parallel-size 8", gpus=8), []),
        (container("multi-node-serving.sh worker", image="vllm/vllm-openai:v0.8.4", gpus=8), WARN),
        (container("vllm serve x", gpus=1, size="2Gi"), []),
        (container("python -m sglang.launch_server --tp 8", gpus=8), WARN),
        (container("python -m sglang.launch_server --tp 8", gpus=8, size="1Gi"), []),
        (container("torchrun t.py --num_workers 0", gpus=8), WARN),
        (container("torchrun t.py --num_workers 0", gpus=8, NCCL_SHM_DISABLE="1"), WORKAROUND),
        (container(image="jupyter/scipy-notebook:1"), []),
        (container(image="jupyter/pytorch-notebook:1", gpus=1), WARN),
        # Triton had 64 MiB for each instance until 23.09
        (container("tritonserver --backend-config=python,x=1", image="x/tritonserver:23.05-py3", gpus=2), FAIL),
        (container("tritonserver", image="x/tritonserver:23.05-py3", gpus=2), WARN),
        (container("tritonserver", image="x/tritonserver:24.05-py3", gpus=2), []),
        # measured: windows are what fills it, and no pod shows them
        (container("mpirun --oversubscribe -np 32 ./a"), []),
        (container("mpiexec -n 2 ./a"), []),
        # a launcher, whose ranks are in other pods
        (container("mpirun -np 1024 --allow-run-as-root ./a"), []),
        # measured: a heap of 256 MiB does not start at 64 MiB; that of ZGC does
        (container(_HEAP), FAIL),
        (container(_HEAP, size="512Mi"), []),
        (container("java -XX:+UseZGC -Xms256m -Xmx256m -version"), []),
        (container("java -XX:+UseLargePages -jar x"), [("SHM712", "WARN")]),
        # measured: System V, whatever the size of /dev/shm
        (container("Xvfb :97 -screen 0 6000x6000x24 -shmem"), []),
        (container("Xtigervnc :96 -geometry 8000x8000"), []),
        (container(image="jitsi/jibri:stable"), FAIL),
        (container(image="jitsi/jibri:stable", size="2Gi"), []),
        (container(image="blakeblackshear/frigate:0.14"), WARN),
        (container(image="blakeblackshear/frigate:0.14", size="128Mi"), []),
        (container(image="gitlab/gitlab-ce:16"), WARN),
        (container(image="gitlab/gitlab-ce:16", size="256Mi"), []),
        (container(image="envoyproxy/envoy:v1.30"), []),
        (container(image="opensearchproject/opensearch:2"), []),
        (container("qemu-system-x86_64 -object memory-backend-file,id=m,size=256M,mem-path=/dev/shm,share=on"), FAIL),
        (container("qemu-system-x86_64 -m 2G"), []),
        (container("dpdk-testpmd -l 0-1"), [("SHM712", "FAIL")]),
        (container("dpdk-testpmd --no-huge -m 64"), []),
        (container("gst-launch-1.0 videotestsrc ! shmsink socket-path=/tmp/s"), []),
        (container("gst-launch-1.0 videotestsrc ! shmsink shm-size=134217728"), WARN),
        (container("ros2 run demo talker"), []),
        (container(image="rabbitmq:3"), []),
        # what they run is somebody else's
        (container(image="apache/spark:3.5.1", size="2Gi"), []),
        (container("dask-worker tcp://s:8786", size="2Gi"), []),
        (container(image="flink:1.19", size="2Gi"), []),
        # the check of its image
        (container(image="oracle/database:11.2.0.2-xe"), FAIL),
        (container(image="oracle/database:11.2.0.2-xe", size="1Gi"), []),
        (container(image="container-registry.oracle.com/database/rac:19.3.0", size="1Gi"), SMALL_VOLUME),
        (container(image="gvenzl/oracle-xe:11-slim"), []),
        (container(image="mysql:8", size="2Gi"), FOR_NOTHING),
        (container(image="kserve/sklearnserver:v0.12"), []),
    ],
    ids=lambda each: f"{each.image} {each.command} {each.size}" if isinstance(each, Case) else None,
)
def test_a_size(case: Case, wanted: list[tuple[str, str]]) -> None:
    assert found([case]) == wanted


def test_what_several_programs_take_from_one_library_counts_once() -> None:
    wanted = [("SHM702", "WARN")]
    assert found([container("torchrun train.py --num_workers 0", gpus=8, size="350Mi")]) == wanted
    assert found([container("torchrun train.py --num_workers 0", gpus=8, size="400Mi", NCCL_DEBUG="INFO")]) == []
    # what has no least size is not one thing for that
    both = "torchrun train.py --num_workers 8; gst-launch-1.0 x ! shmsink shm-size=134217728"
    assert found([container(both, size="512Mi")]) == wanted
    # an image that may be anything
    assert found([container("python train.py", gpus=8, size="350Mi", NCCL_DEBUG="INFO")]) == wanted


def sysctls(**values: str) -> dict[str, t.Any]:
    return {"sysctls": [{"name": name.replace("_", ".", 1), "value": value} for name, value in values.items()]}


@pytest.mark.parametrize(
    ("command", "values", "is_enough"),
    [
        # measured: serves without System V semaphores
        ("postgres -c min_dynamic_shared_memory=1GB", {"kernel_sem": "250 32000 32 0"}, True),
        ("apache2 -X -C Mutex sysvsem default", {"kernel_sem": "250 32000 32 0"}, False),
        ("apache2 -X", {"kernel_sem": "250 32000 32 0"}, True),
        ("apache2 -X -C Mutex sysvsem default", {"kernel_sem": "250 32000 32 128"}, True),
        ("zabbix_agentd -f", {"kernel_shmmni": "0"}, False),
        ("zabbix_agentd -f", {"kernel_shmmax": "4096"}, False),
        ("zabbix_agentd -f", {"kernel_shmmax": "1048576"}, True),
        ("runmqserver", {"kernel_shmmax": "1048576"}, False),
    ],
)
def test_sysctls(command: str, values: dict[str, str], is_enough: bool) -> None:
    rules_found = dict(found([container(command)], securityContext=sysctls(**values)))
    assert ("SHM708" not in rules_found) == is_enough


@pytest.mark.parametrize(
    ("command", "peer"),
    [
        ("iox-roudi -c /etc/small.toml", "iox-introspection-client"),
        ("ros2 run demo talker", "ros2 run demo listener"),
        ("aeronmd", "java -Daeron.dir=/dev/shm/aeron -jar app.jar"),
        ("gst-launch-1.0 x ! shmsink socket-path=/tmp/s", "gst-launch-1.0 shmsrc socket-path=/tmp/s ! x"),
    ],
)
def test_those_that_share_and_have_two_folders_do_not_meet(command: str, peer: str) -> None:
    pair = [container(command, size="512Mi"), container(peer)]
    assert ("SHM703", "FAIL") in found(pair)
    assert ("SHM703", "FAIL") not in found([container(command), container(peer)])


def test_rti_needs_one_pid_namespace() -> None:
    pair = [container("rtiddsping -publisher"), container("rtiddsping -subscriber")]
    assert found(pair) == [("SHM717", "FAIL")]
    assert found(pair, shareProcessNamespace=True) == []


def test_others_may_have_different_folders() -> None:
    """Those that share by System V or not at all, and those of which no pod shows that they are peers."""
    for one in (
        "Xvfb :1",
        "pulseaudio",
        "postgres",
        "tritonserver",
        "ucx_perftest",
        "java -jar aeron-all.jar",
        "torchrun a",
    ):
        assert "SHM703" not in dict(found([container(one, size="1Gi"), container(one)]))


def test_memory_and_cores_of_a_gpu_are_no_gpus() -> None:
    one = {"name": "c", "image": "i", "command": ["torchrun", "t.py", "--num_workers", "0"]}
    for resources, count in (
        ({"nvidia.com/gpu": "1", "nvidia.com/gpumem": "3000", "nvidia.com/gpucores": "30"}, 1),
        ({"nvidia.com/gpu": "2", "amd.com/gpu": 1}, 3),
        ({"nvidia.com/mig-1g.5gb": "2"}, 2),
        ({"gpu.intel.com/i915": 4, "gpu.intel.com/i915_monitoring": 1}, 4),
    ):
        pod = shape({}, {"containers": [{**one, "resources": {"limits": resources}}]})
        (run,) = recognise.recognised(pod, pod.containers[0], PROGRAMS)
        assert run.values.gpus == count
