# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each program is recognised by what people run it with; and what only looks like it is not."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload import audit, recognise
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs import nothing
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload._programs.all import PROGRAMS
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.manifests import Workload
from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.shape import shape


class Seen(t.NamedTuple):
    """A container with what a program can be recognised by."""

    image: str = "registry.example.com/team/app:1"
    command: str = ""
    env: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    labels: t.Mapping[str, str] = {}
    name: str = "app"
    nodes: t.Mapping[str, str] = {}

    def programs(self) -> set[str]:
        container = {
            "name": self.name,
            "image": self.image,
            "command": self.command.split(" ") if self.command else [],
            "env": [{"name": name, "value": "1"} for name in self.env],
            "ports": [{"containerPort": port} for port in self.ports],
        }
        pod = shape({"labels": dict(self.labels)}, {"containers": [container], "nodeSelector": dict(self.nodes)})
        return {one.program.name for one in recognise.recognised(pod, pod.containers[0], PROGRAMS)}


def image(*names: str, **more: t.Any) -> list[Seen]:
    return [Seen(name, **more) for name in names]


def command(*lines: str, **more: t.Any) -> list[Seen]:
    return [Seen(command=line, **more) for line in lines]


_PGO: t.Final = {"postgres-operator.crunchydata.com/cluster": "hippo"}
_BITNAMI: t.Final = {"app.kubernetes.io/name": "postgresql"}

#: Program -> what is it, what is not.
TABLE: t.Final[dict[str, tuple[list[Seen], list[Seen]]]] = {
    "postgresql": (
        [
            *image(
                "postgres:16",
                "docker.io/library/postgres@sha256:00",
                "registry:5000/bitnami/postgresql:15.4.0-debian-11-r1",
                "ghcr.io/zalando/spilo-15:3.0-p1",
                "ghcr.io/cloudnative-pg/postgresql:16.2",
                "registry.developers.crunchydata.com/crunchydata/crunchy-postgres:ubi8-15.4-2",
                "timescale/timescaledb-ha:pg15.3-ts2.11",
                "pgvector/pgvector:pg16",
                "goharbor/harbor-db:v2.10.0",
                "registry.access.redhat.com/rhel9/postgresql-15:1",
            ),
            *command(
                "postgres -c work_mem=64MB",
                "docker-entrypoint.sh postgres -c shared_buffers=1GB",
                "/usr/lib/postgresql/15/bin/postgres -D /data",
                "/controller/manager instance run --status-port-tls",
                "sh -c exec postgres -D /data",
                "gosu postgres postgres",
                "sh -c mkdir -p /data; exec postgres",
                "/opt/bitnami/scripts/postgresql/run.sh",
            ),
            Seen(env=("PGDATA",), ports=(5432,)),
            Seen("registry/anything", labels=_PGO, name="database"),
            *image("postgres:16", command="/bin/bash /custom/start.sh"),
            *image("postgres:16", command="bash /docker-entrypoint.sh"),
            *image("postgres:16", command="sh -c /run.sh"),
        ],
        [
            *image(
                "prometheuscommunity/postgres-exporter:v0.15",
                "bitnami/postgres-exporter",
                "edoburu/pgbouncer",
                "dpage/pgadmin4",
                "crunchydata/crunchy-pgbackrest",
                "crunchydata/crunchy-postgres-exporter:ubi8",
                "registry.opensource.zalan.do/acid/postgres-operator:v1.10",
                "ghcr.io/cloudnative-pg/cloudnative-pg:1.23",
                "postgrest/postgrest",
                "prodrigestivill/postgres-backup-local",
                "percona/percona-postgresql-operator:2.2.0",
                "alpine/postgresql-client",
            ),
            *command(
                "psql -h db -U postgres -c select",
                "pg_dump -U postgres mydb",
                "pg_isready -h db -U postgres",
                "/app/server --db postgres",
                "/app/wait-for postgres 5432",
                "sh -c pg_dump -h db -U postgres app",
                "sudo -u postgres psql",
                "bash -c postgres --version; initdb",
            ),
            Seen(env=("PGDATA",), ports=(8080,)),
            *[
                *image("postgres:16", command="pg_dump -h db -U postgres app"),
                *image("postgres:16", command="sh -c psql -h db"),
                *image("postgres:16", command="tail -f /dev/null"),
                *image("postgres:16", command="/bin/bash"),
                *image("postgres:16", command="sh -l"),
                *image("postgres:16", command="crond -f -d 8"),
                *image("postgres:16", command="/bin/sh -c trap : TERM INT; sleep infinity & wait"),
                *image("postgres:16", command="bash -ec set -x; mkdir /backup; /run.sh"),
                *image("postgres:16", command="/bin/sh /scripts/backup.sh"),
                *image("postgres:16", command="bash -eu /scripts/pg_backup.sh"),
                *image("postgres:16", command="bash -c /init/create-databases.sh"),
                *image("postgres:16", command="/opt/db-migrate.py --all"),
                *image("postgres:16", command="/init-db.sh"),
                *image("postgres:16", command="chown -R 999 /var/lib/postgresql/data"),
                *image("goharbor/harbor-db:v2", command="/bin/sh -c chmod -R 700 /data || true"),
                *image("goharbor/harbor-db:v2", command="rm -Rf /var/lib/postgresql/data/lost+found"),
                *image("crunchydata/crunchy-postgres:ubi8", labels=_PGO, name="replication-cert-copy"),
                *image("bitnami/postgresql:15", labels=_BITNAMI, name="app-pgdumpall"),
            ],
        ],
    ),
    "abcdesktop": (
        image("abcdesktopio/oc.user.ubuntu.hardening:3.2", "ghcr.io/abcdesktopio/oc.user.kubernetes:dev"),
        image("abcdesktopio/oc.pyos:3.2", "abcdesktopio/oc.nginx:3.2", "abcdesktopio/firefox.d:3.0"),
    ),
    "aeron": (
        [
            *image("aeronmd:1.44", "team/aeron-media-driver:1"),
            *command(
                "java -cp aeron-all-1.44.1.jar io.aeron.driver.MediaDriver",
                "java -Daeron.dir=/dev/shm/aeron-app -jar app.jar",
                "java -cp x A aeron:ipc",
                "aeronmd",
            ),
            *[Seen(env=("AERON_DIR",))],
        ],
        [*image("team/aeron-exporter:1"), *command("java -jar app.jar", "cat /etc/aeronmd.conf"), Seen(env=("DIR",))],
    ),
    "aerospike": (
        [*image("aerospike/aerospike-server-enterprise:7.0"), *command("/usr/bin/asd --foreground")],
        [
            *image("aerospike/aerospike-prometheus-exporter"),
            *image("aerospike/aerospike-tools"),
            *command("asbackup -h db"),
        ],
    ),
    "akka_artery": (
        command(
            "java -Dakka.remote.artery.transport=aeron-udp -jar app.jar",
            "java -Dpekko.remote.artery.advanced.aeron.idle-cpu-level=5 -jar app.jar",
        ),
        command("java -Dakka.remote.artery.transport=tcp -jar app.jar", "java -Dakka.cluster.seed=x -jar app.jar"),
    ),
    "apache": (
        [*image("httpd:2.4", "ubi9/httpd-24:1"), *command("apache2-foreground", "/usr/sbin/apache2ctl -D FOREGROUND")],
        [
            *image("apache/kafka:3.7", "bitnami/apache-exporter", "apache/airflow:2"),
            *command("curl http://apache2 -o x", "/app --proxy httpd"),
            *image("httpd:2.4", command="htpasswd -nb a b"),
        ],
    ),
    "apache_sysvsem": (
        command("apache2 -X -C Mutex sysvsem default", "httpd -DFOREGROUND -c Mutex sysvsem mpm-accept"),
        command("apache2 -X -C Mutex pthread default", "httpd-foreground"),
    ),
    "chromium": (
        [
            *image(
                "selenium/standalone-chrome:120.0",
                "selenium/node-edge:4.15.0-20231129",
                "browserless/chrome:1",
                "zenika/alpine-chrome:124",
                "gotenberg/gotenberg:8",
            ),
            *command(
                "/usr/bin/google-chrome --headless --no-sandbox",
                "chromium-browser --remote-debugging-port=9222",
                "xvfb-run chromium --kiosk",
            ),
            Seen(env=("SE_NODE_MAX_SESSIONS",), ports=(5555,)),
        ],
        [
            *image(
                "selenium/standalone-firefox:120.0",
                "selenium/hub:4",
                "robcherry/docker-chromedriver",
                "team/chrome-exporter",
            ),
            *command("pytest --browser chrome", "npx cypress run --browser chrome", "chromedriver --port=4444"),
            Seen(env=("SE_NODE_MAX_SESSIONS",), ports=(8080,)),
        ],
    ),
    "corosync": (
        [*image("team/corosync:3"), *command("corosync -f", "/usr/sbin/pacemakerd")],
        [*image("team/corosync-qnetd"), *command("crm_mon -1", "corosync-cfgtool -s")],
    ),
    "db2": (
        [
            *image("icr.io/db2_community/db2:11.5.9.0", "cp.icr.io/cp/db2u:s11"),
            Seen(env=("DB2INSTANCE",), ports=(50000,)),
        ],
        [
            *image("icr.io/db2u/db2u-operator:1", "team/db2-exporter", "icr.io/cpopen/db2u.tools:1"),
            Seen(env=("DB2INSTANCE",), ports=(8080,)),
        ],
    ),
    "dora": (
        [*image("dora-rs/dora:0.4"), *command("dora daemon --coordinator-addr x", "dora up")],
        [*image("opendora/devlake-dora-metrics"), *command("dora doctor", "/app --team dora")],
    ),
    "device_mapper": (
        command(
            "cryptsetup luksOpen /dev/sdb osd",
            "/bin/bash -c ceph-volume lvm activate --no-systemd 3",
            "/lvmd --config=/etc/topolvm/lvmd.yaml",
        ),
        [
            *image("registry.example.com/storage/lvm-operator:1"),
            *command("ceph-osd --foreground --id 3", "echo cryptsetup"),
        ],
    ),
    "nvidia_mps": (
        [
            *command("mps-control-daemon", "nvidia-cuda-mps-control -f"),
            Seen(env=("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT",)),
            Seen(nodes={"cloud.google.com/gke-gpu-sharing-strategy": "mps"}),
        ],
        [
            *image("nvcr.io/nvidia/k8s-device-plugin:v0.17.0"),
            Seen(nodes={"cloud.google.com/gke-gpu-sharing-strategy": "time-sharing"}),
        ],
    ),
    "dpdk": (
        [
            *image("team/dpdk-testpmd:23.11"),
            *command("dpdk-testpmd -l 0-3 -n 4", "/app/fwd -l 1 --socket-mem 1024 --file-prefix a"),
        ],
        [
            *image(
                "ghcr.io/k8snetworkplumbingwg/sriov-network-device-plugin",
                "team/dpdk-device-plugin",
                "team/dpdk-exporter",
            ),
            *command("dpdk-devbind.py --status", "ping -n 4 x"),
        ],
    ),
    "envoy": (
        [*image("envoyproxy/envoy:v1.30.1", "envoyproxy/envoy-distroless:v1.30"), *command("envoy -c /etc/envoy.yaml")],
        [*image("envoyproxy/gateway:v1", "envoyproxy/ratelimit", "istio/proxyv2:1.22"), *command("/app --proxy envoy")],
    ),
    "firefox": (
        [
            *image("selenium/node-firefox:120.0", "jlesage/firefox:v24"),
            *command("firefox --headless", "xvfb-run firefox-esr"),
        ],
        [
            *image("selenium/node-chrome:120.0", "mozilla/firefox-accounts"),
            *command("pytest --browser firefox", "geckodriver"),
        ],
    ),
    "frigate": (
        [
            *image("ghcr.io/blakeblackshear/frigate:0.14.1", "ghcr.io/blakeblackshear/frigate:stable-tensorrt"),
            *command("python3 -m frigate"),
        ],
        [*image("team/frigate-exporter", "team/frigate-notify"), *command("curl http://frigate:5000")],
    ),
    "gitlab": (
        [*image("gitlab/gitlab-ce:16.7.0-ce.0", "gitlab/gitlab-ee"), Seen(env=("GITLAB_OMNIBUS_CONFIG",), ports=(80,))],
        [
            *image(
                "gitlab/gitlab-runner:alpine",
                "registry.gitlab.com/gitlab-org/build/cng/gitlab-webservice-ce:v16",
                "gitlab/gitlab-exporter",
            ),
            *image("gitlab/gitlab-ce:16", command="gitlab-backup create"),
        ],
    ),
    "gstreamer": (
        command(
            "gst-launch-1.0 videotestsrc ! shmsink socket-path=/tmp/s",
            "gst-launch-1.0 shmsrc socket-path=/tmp/s ! fakesink",
        ),
        command("gst-launch-1.0 videotestsrc ! udpsink", "gst-inspect-1.0"),
    ),
    "hana": (
        [*image("saplabs/hanaexpress:2.00"), *command("/run_hana --agree-to-sap-license"), Seen("team/hana:2")],
        [*image("team/hana-exporter", "sap/hana-client"), *command("hdbsql -n hana:39013")],
    ),
    "ibm_mq": (
        [
            *image("icr.io/ibm-messaging/mq:9.4", "cp.icr.io/cp/ibm-mqadvanced-server-integration:9.4"),
            *command("runmqserver"),
            Seen(env=("MQ_QMGR_NAME",), ports=(1414,)),
        ],
        [*image("icr.io/cpopen/ibm-mq-operator", "team/mq-metric-samples"), Seen(env=("MQ_QMGR_NAME",), ports=(8080,))],
    ),
    "iceoryx": (
        [
            *image("team/iceoryx-roudi:2", "team/roudi"),
            *command("iox-roudi", "sh -c exec /usr/bin/iox-roudi -c /etc/roudi.toml"),
        ],
        [*image("team/iceoryx-exporter", "team/iceoryx-app"), *command("iox-introspection-client", "echo iox-roudi")],
    ),
    "iceoryx_application": (
        [*image("team/iceoryx-app:1"), *command("iox-introspection-client", "/usr/bin/iox-cpp-publisher")],
        [*command("iox-roudi"), *image("team/iceoryx-roudi"), *command("/app --name iox-app")],
    ),
    "informix": (
        [*image("icr.io/informix/informix-developer-database:14", "ibmcom/informix"), *command("oninit -ivy")],
        [*image("team/informix-exporter", "team/informix-client-sdk"), *command("dbaccess stores -")],
    ),
    "jax": (
        [
            *image("ghcr.io/nvidia/jax:24.10", "rocm/jax:6.2", "rocm/jax-training:maxtext"),
            *[Seen(env=("JAX_PLATFORMS",))],
        ],
        [*image("team/jax-exporter", "rocm/jax-build"), *command("python train.py --backend jax")],
    ),
    "jibri": (
        [*image("jitsi/jibri:stable-9584"), Seen(env=("JIBRI_XMPP_USER",), ports=(2222,))],
        [
            *image("jitsi/jicofo:stable", "jitsi/jvb", "team/jibri-exporter"),
            Seen(env=("JIBRI_XMPP_USER",), ports=(80,)),
        ],
    ),
    "joblib": (
        [
            *image("kserve/sklearnserver:v0.12"),
            *command("python -c import joblib;joblib.Parallel(4)"),
            *[Seen(env=("JOBLIB_TEMP_FOLDER",))],
        ],
        [*image("kserve/xgbserver", "team/sklearn-exporter"), *command("python job.py --lib jobs")],
    ),
    "jupyter": (
        [
            *image("quay.io/jupyter/scipy-notebook:2024", "jupyterhub/k8s-singleuser-sample:3"),
            *command("jupyterhub-singleuser --ip=0.0.0.0", "start-notebook.sh --port 8888"),
            Seen(labels={"component": "singleuser-server"}, name="notebook"),
            Seen(labels={"notebook-name": "mine"}, name="mine"),
        ],
        [
            *image(
                "jupyterhub/k8s-hub:3",
                "kubeflownotebookswg/notebook-controller:v1.8",
                "kubeflownotebookswg/jupyter-web-app",
            ),
            *image("jupyterhub/configurable-http-proxy"),
            Seen(labels={"notebook-name": "mine"}, name="istio-proxy"),
        ],
    ),
    "jvm": (
        [
            *command("java -Xmx1g -jar app.jar", "sh -c exec java $JAVA_OPTS -jar /app.jar"),
            Seen(env=("JAVA_OPTS",), ports=(8080,)),
        ],
        [*command("javac A.java", "cat java"), Seen(env=("JAVA_OPTS",), ports=(1,))],
    ),
    "lightllm": (
        [*image("ghcr.io/modeltc/lightllm:main"), *command("python -m lightllm.server.api_server --tp 2")],
        [*image("team/lightllm-router", "team/lightllm-exporter"), *command("python bench.py --backend lightllm")],
    ),
    "lmcache": (
        [
            *image("lmcache/lmcache-server:1"),
            *command("lmcache_server 0.0.0.0 65432", "python -m lmcache.v1.multiprocess.server"),
        ],
        [
            *image("lmcache/vllm-openai:latest", "lmcache/lmcache-operator", "milvusdb/standalone"),
            Seen(env=("LMCACHE_USE_EXPERIMENTAL",), ports=(8000,)),
        ],
    ),
    "mooncake": (
        [
            *image("alogfans/mooncake:0.3"),
            *command("mooncake_master --port 50051", "python -m mooncake.mooncake_store_service"),
        ],
        [*image("team/mooncake-exporter", "team/mooncakes"), *command("vllm serve x --kv mooncake")],
    ),
    "mpich": (
        [
            *image("team/mpich:4", "team/intel-mpi:2021"),
            *command("mpiexec -n 2 python win.py", "mpiexec.hydra -n 4 ./a", "mpirun -ppn 2 -n 4 ./a"),
            *[Seen(env=("I_MPI_FABRICS",))],
        ],
        [
            *image("mpioperator/mpi-operator:0.5", "team/openmpi:4"),
            *command("mpirun --allow-run-as-root -np 2 ./a", "mpiexec --oversubscribe -n 2 ./a", "which mpiexec"),
        ],
    ),
    "nccl": (
        [
            *image("ghcr.io/coreweave/nccl-tests:12.4"),
            *command("mpirun -np 8 /opt/nccl-tests/build/all_reduce_perf -b 8", "horovodrun -np 4 python train.py"),
            *[Seen(env=("NCCL_DEBUG",))],
        ],
        [
            *image("gke/nccl-plugin-gpudirecttcpx", "team/nccl-installer", "nvidia/cuda:12.4"),
            *command("nvidia-smi", "python train.py"),
        ],
    ),
    "nim": (
        [
            Seen(
                "nvcr.io/nim/meta/llama3", labels={"app.kubernetes.io/managed-by": "k8s-nim-operator"}, name="llama-ctr"
            ),
            *command("/opt/nim/start-server.sh"),
            Seen(env=("NIM_CACHE_PATH",), ports=(8000,)),
        ],
        [
            *image("nvcr.io/nvidia/cloud-native/k8s-nim-operator:v1"),
            Seen(labels={"app.kubernetes.io/managed-by": "k8s-nim-operator"}, name="istio-proxy"),
            Seen(env=("NIM_CACHE_PATH",), ports=(80,)),
        ],
    ),
    "openmpi": (
        [
            *image("mpioperator/openmpi:4"),
            *command(
                "mpirun --allow-run-as-root --oversubscribe -np 2 python win.py",
                "mpirun -np 4 ./a",
                "mpiexec --mca btl self -n 2 ./a",
            ),
        ],
        [
            *image("mpioperator/mpi-operator:0.5", "team/mpich:4"),
            *command("mpiexec -n 2 ./a", "mpirun -genv A=1 -n 2 ./a", "/usr/sbin/sshd -De"),
        ],
    ),
    "opensearch": (
        [*image("opensearchproject/opensearch:2.14.0"), *command("./opensearch-docker-entrypoint.sh opensearch")],
        [
            *image(
                "opensearchproject/opensearch-dashboards:2.14.0",
                "opensearchproject/opensearch-operator",
                "elasticsearch:8",
            )
        ],
    ),
    "opendistro": (
        [*image("amazon/opendistro-for-elasticsearch:1.13.2"), *command("/x/opendistro-tar-install.sh")],
        [*image("amazon/opendistro-for-elasticsearch-kibana:1.13.2", "opensearchproject/opensearch:2")],
    ),
    "oracle": (
        [
            *image("gvenzl/oracle-free:23-slim", "gvenzl/oracle-xe:21"),
            *image("container-registry.oracle.com/database/enterprise:19.3.0.0", "mirror.example/database/free"),
            Seen("container-registry.oracle.com/database/free:latest", env=("ORACLE_PWD",), ports=(1521,)),
            *command("/opt/oracle/runOracle.sh"),
        ],
        [
            *image(
                "iamseth/oracledb_exporter",
                "container-registry.oracle.com/database/operator",
                "example/free",
                "shop/enterprise",
                "ghcr.io/oracle/oraclelinux8-instantclient",
            ),
            Seen(env=("ORACLE_PASSWORD",), ports=(8080,)),
            *image("gvenzl/oracle-free:23", command="sqlplus app@db"),
        ],
    ),
    "playwright": (
        [
            *image("mcr.microsoft.com/playwright:v1.44.0", "ghcr.io/puppeteer/puppeteer:22"),
            *command("npx playwright test"),
        ],
        [*image("team/playwright-report-server", "team/puppet"), *command("npm run test:e2e")],
    ),
    "prometheus_client": (
        [
            *command("sh -c PROMETHEUS_MULTIPROC_DIR=/dev/shm/prom exec gunicorn app:app"),
            Seen(env=("PROMETHEUS_MULTIPROC_DIR",), ports=(8000,)),
            *[Seen(env=("PROMETHEUS_MULTIPROC_DIR",), ports=(1234,))],
        ],
        [
            *image("prom/prometheus:v2"),
            *command("gunicorn app:app --worker-tmp-dir /dev/shm"),
            Seen(env=("PROMETHEUS_URL",)),
        ],
    ),
    "pulseaudio": (
        [*image("team/pulseaudio:16", "abcdesktopio/oc.pulseaudio.18.04"), *command("pulseaudio --daemonize=no")],
        [*image("team/pulseaudio-exporter"), *command("mpv --ao=pulse x", "/app --sound pulseaudio")],
    ),
    "python_multiprocessing": (
        command(
            "python3 -c from multiprocessing import shared_memory as m; s=m.SharedMemory(create=True,size=100<<20)",
            "python3 -m multiprocessing.managers",
        ),
        command("python3 app.py", "python3 -c import multiprocessing.dummy"),
    ),
    "pytorch": (
        [
            *image(
                "pytorch/pytorch:2.3.0-cuda12.1-cudnn8-runtime",
                "nvcr.io/nvidia/pytorch:24.05-py3",
                "ultralytics/ultralytics",
            ),
            *command(
                "torchrun --nproc_per_node 8 train.py",
                "python -m torch.distributed.run train.py",
                "accelerate launch train.py",
                "bash -c deepspeed train.py --deepspeed",
            ),
            Seen(labels={"training.kubeflow.org/job-name": "a"}, name="pytorch"),
            *[Seen(env=("PET_NNODES",))],
        ],
        [
            *image(
                "pytorch/torchserve:0.11",
                "kubeflow/training-operator:v1",
                "team/pytorch-operator",
                "team/pytorch-exporter",
            ),
            *command("python serve.py --framework pytorch", "pip install torchrun"),
            Seen(labels={"training.kubeflow.org/job-name": "a"}, name="istio-proxy"),
            Seen(labels={"training.kubeflow.org/job-name": "a"}, name="tensorflow"),
        ],
    ),
    "qemu": (
        [*image("team/qemu-system-x86:8"), *command("qemu-system-x86_64 -m 2G", "/usr/bin/qemu-kvm -m 2G")],
        [
            *image("multiarch/qemu-user-static", "tonistiigi/binfmt"),
            *command("qemu-img convert a b", "/app --driver qemu-kvm"),
        ],
    ),
    "ray": (
        [
            *image("rayproject/ray:2.34.0", "rayproject/ray-ml:2.9.0", "rayproject/ray-llm"),
            *command("ray start --head --block", "/bin/bash -lc -- ulimit -n 65536; ray start --head"),
            Seen(labels={"ray.io/node-type": "head"}, name="ray-head"),
        ],
        [
            *image("quay.io/kuberay/operator:v1.1.0", "kuberay/apiserver", "team/ray-exporter"),
            *command("ray job submit -- python x.py", "python -m x-ray start"),
            Seen(labels={"ray.io/node-type": "head"}, name="autoscaler"),
            *[
                Seen("rayproject/ray:2.34.0", labels={"ray.io/node-type": "head"}, name="autoscaler"),
                Seen("rayproject/ray:2.34.0", command="ray job submit -- python x.py"),
            ],
        ],
    ),
    "ros2": (
        [
            *image("microros/micro-ros-agent:humble", "ghcr.io/autowarefoundation/autoware:latest"),
            *command("ros2 launch demo talker.py", "bash -c source /opt/ros/humble/setup.bash && ros2 run demo talker"),
            *[Seen("ros:humble", env=("ROS_DOMAIN_ID",))],
        ],
        [
            *image("ros:noetic", "team/ros2-exporter"),
            *command("roscore", "echo ros2 run", "roslaunch a b"),
        ],
    ),
    "rti_connext": (
        [
            *image("team/rti-routing-service:7", "rticommunity/dds-ping"),
            *command("rtiddsping -publisher", "/opt/rti/bin/rtiroutingservice -cfgName a"),
            *[Seen(env=("NDDS_QOS_PROFILES",))],
        ],
        [*image("team/rti-license-server", "team/rti-exporter"), *command("ping rtiddsping", "/app --dds rti")],
    ),
    "sglang": (
        [
            *image("lmsysorg/sglang:v0.4.6-cu124", "rocm/sgl-dev:v1"),
            *command("python3 -m sglang.launch_server --tp 8", "sglang serve model"),
        ],
        [
            *image("lmsysorg/sglang-router:v0.1", "team/sglang-exporter"),
            *command("python3 -m sglang_router.launch_router", "python bench.py --backend sglang"),
        ],
    ),
    "tensorrt_llm": (
        [
            *image("team/tensorrt-llm:0.12"),
            *command("trtllm-serve model --tp_size 4", "python3 -m dynamo.trtllm --model x"),
        ],
        [
            *image("nvcr.io/nvidia/tensorrt:24.05-py3", "team/tensorrt-llm-exporter"),
            *command("trtllm-build --checkpoint x"),
        ],
    ),
    "text_generation_inference": (
        [
            *image("ghcr.io/huggingface/text-generation-inference:2.0"),
            *command("text-generation-launcher --num-shard 2"),
            Seen(env=("NUM_SHARD",), ports=(80,)),
        ],
        [
            *image("ghcr.io/huggingface/text-embeddings-inference:1.2", "team/tgi-exporter"),
            *command("text-generation-benchmark"),
        ],
    ),
    "triton": (
        [*image("nvcr.io/nvidia/tritonserver:24.05-py3"), *command("tritonserver --model-repository=/models")],
        [
            *image("team/tritonserver-sdk:24.05", "team/tritonserver-exporter"),
            *command("perf_analyzer -u tritonserver:8001", "triton build"),
        ],
    ),
    "ucx": (
        [
            *image("team/ucx-perftest"),
            *command("ucx_perftest -t tag_bw host", "sh -c UCX_TLS=posix ./a"),
            *[Seen(env=("UCX_TLS",))],
        ],
        [*image("team/ucx-build"), *command("ucx_info -d", "/app --transport ucx")],
    ),
    "vllm": (
        [
            *image(
                "vllm/vllm-openai:v0.6.3",
                "rocm/vllm:latest",
                "ghcr.io/llm-d/llm-d-cuda:v0.3",
                "kserve/huggingfaceserver:v0.13",
            ),
            *command(
                "vllm serve meta-llama/x -tp 4",
                "/opt/venv/bin/vllm serve x",
                "python3 -m vllm.entrypoints.openai.api_server --model x",
                "bash -c VLLM_USE_V1=1 vllm serve x",
            ),
        ],
        [
            *image(
                "lmcache/lmstack-router:latest",
                "team/vllm-router",
                "ghcr.io/llm-d/llm-d-inference-scheduler:v0.2",
                "ghcr.io/llm-d/llm-d-inference-sim:v0.3",
                "vllm/production-stack-operator",
                "team/vllm-exporter",
            ),
            *command("python -m benchmark --backend vllm serve", "curl http://vllm:8000/v1"),
            *image("vllm/vllm-openai:v0.6.3", command="vllm bench serve --host x"),
        ],
    ),
    "x11": (
        [
            *image("team/tigervnc:1.13", "lscr.io/linuxserver/webtop:ubuntu"),
            *command(
                "Xvfb :99 -screen 0 1920x1080x24",
                "Xtigervnc :1",
                "xpra start :10",
            ),
        ],
        [
            *image("theasp/novnc", "guacamole/guacd", "team/xvfb-exporter"),
            *command("xdotool key a", "/app --server Xorg"),
        ],
    ),
    "xvfb_run": (
        command("xvfb-run -a npm test", "sh -c Xvfb :99 & exec java -jar x.jar"),
        command("Xvfb :99 -screen 0 1920x1080x24", "npm test --runner xvfb"),
    ),
    "zabbix_agent": (
        [
            *image("zabbix/zabbix-agent:alpine-6.4"),
            *command("/usr/sbin/zabbix_agentd -f"),
            Seen(env=("ZBX_HOSTNAME",), ports=(10050,)),
        ],
        [
            *image("zabbix/zabbix-agent2:6.4", "zabbix/zabbix-web-nginx-pgsql:6.4"),
            *command("zabbix_get -s host -k agent.ping"),
        ],
    ),
    "zabbix_server": (
        [
            *image("zabbix/zabbix-server-pgsql:6.4", "zabbix/zabbix-proxy-sqlite3:6.4"),
            *command("/usr/sbin/zabbix_server -f"),
        ],
        [*image("zabbix/zabbix-web-nginx-pgsql:6.4", "zabbix/zabbix-java-gateway", "team/zabbix-exporter")],
    ),
    # ------------------------------------------------------------------------------ those that need nothing
    "nginx": (
        [
            *image("nginx:1.25-alpine", "nginxinc/nginx-unprivileged", "openresty/openresty"),
            *command("nginx -g daemon off;"),
        ],
        [
            *image("nginx/nginx-prometheus-exporter", "team/nginx-app-backend"),
            *command("curl http://nginx", "/app --proxy nginx"),
        ],
    ),
    "redis": (
        [*image("redis:7", "bitnami/redis-cluster:7", "valkey/valkey"), *command("redis-server --appendonly yes")],
        [*image("oliver006/redis_exporter", "redislabs/redisinsight"), *command("redis-cli -h redis-server ping")],
    ),
    "mysql": (
        [
            *image("mysql:8", "bitnami/mariadb-galera:11", "percona/percona-xtradb-cluster:8.0"),
            *command("mysqld --user=mysql"),
        ],
        [*image("prom/mysqld-exporter", "mysql/mysql-operator", "phpmyadmin"), *command("mysqldump -h mysqld db")],
    ),
    "kafka": (
        [
            *image("confluentinc/cp-kafka:7.6", "bitnami/kafka:3.7", "apache/kafka:3.7"),
            *command("/opt/kafka/bin/kafka-server-start.sh x"),
        ],
        [
            *image("danielqsj/kafka-exporter", "provectuslabs/kafka-ui", "strimzi/operator"),
            *command("kcat -b kafka:9092"),
        ],
    ),
    "exporter": (
        image(
            "prom/node-exporter:v1.8",
            "oliver006/redis_exporter",
            "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2",
        ),
        image("prom/prometheus", "team/exporter-ui", "postgres:16"),
    ),
    "istio": (
        image("docker.io/istio/proxyv2:1.22.0", "istio/pilot:1.22.0"),
        image("envoyproxy/envoy:v1.30", "istio/operator:1.22"),
    ),
    "gitlab_chart": (
        image("registry.gitlab.com/gitlab-org/build/cng/gitlab-webservice-ee:v16", "gitlab/gitlab-runner:alpine"),
        image("gitlab/gitlab-ce:16", "gitlab/gitlab-ee:16"),
    ),
}

#: Of the programs that need nothing, the rest has one row each: an image that is it.
IMAGES: t.Final[dict[str, str]] = {
    "ingress_nginx": "registry.k8s.io/ingress-nginx/nginx-ingress-controller:v1.10",
    "haproxy": "haproxytech/haproxy-alpine:2.9",
    "traefik": "traefik:v3.0",
    "caddy": "caddy:2",
    "kong": "kong:3.6",
    "memcached": "memcached:1.6",
    "mongodb": "bitnami/mongodb:7.0",
    "elasticsearch": "docker.elastic.co/elasticsearch/elasticsearch:8.13.4",
    "solr": "solr:9",
    "clickhouse": "clickhouse/clickhouse-server:24.3",
    "cassandra": "cassandra:4.1",
    "cockroachdb": "cockroachdb/cockroach:v23.2",
    "tidb": "pingcap/tikv:v7.5",
    "influxdb": "influxdb:2.7",
    "neo4j": "neo4j:5",
    "zookeeper": "bitnami/zookeeper:3.9",
    "rabbitmq": "rabbitmq:3.13-management",
    "nats": "nats:2.10",
    "activemq": "apache/activemq-classic:6.1",
    "etcd": "quay.io/coreos/etcd:v3.5.13",
    "minio": "minio/minio:RELEASE.2024",
    "ceph": "quay.io/ceph/ceph:v19.2.0",
    "csi": "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.11.1",
    "cert_manager": "quay.io/jetstack/cert-manager-controller:v1.16.2",
    "pgbackrest": "registry.developers.crunchydata.com/crunchydata/crunchy-pgbackrest:ubi8-2.53-1",
    "pgbouncer": "edoburu/pgbouncer:1.22",
    "spark": "apache/spark:3.5.1",
    "flink": "flink:1.19",
    "dask": "ghcr.io/dask/dask:2024.5.0",
    "trino": "trinodb/trino:447",
    "prometheus": "quay.io/prometheus/prometheus:v2.52.0",
    "grafana": "grafana/loki:3.0.0",
    "logs": "cr.fluentbit.io/fluent/fluent-bit:3.0.4",
    "linkerd": "cr.l5d.io/linkerd/proxy-init:v2.3",
    "vault": "hashicorp/vault-k8s:1.4",
    "consul": "hashicorp/consul-dataplane:1.4",
    "coredns": "registry.k8s.io/coredns/coredns:v1.11.1",
    "oauth2_proxy": "quay.io/oauth2-proxy/oauth2-proxy:v7.6.0",
    "git_sync": "registry.k8s.io/git-sync/git-sync:v4.2.3",
    "php": "wordpress:6.7-apache",
    "keycloak": "quay.io/keycloak/keycloak:24.0",
    "jenkins": "jenkins/jenkins:2.452",
    "argo_cd": "quay.io/argoproj/argocd:v2.11.2",
    "harbor": "goharbor/harbor-core:v2.10.2",
    "kubevirt": "quay.io/kubevirt/virt-launcher:v1.2.0",
    "pipewire": "team/pipewire:1.0",
    "zabbix_agent2": "zabbix/zabbix-agent2:7.0",
    "dotnet": "mcr.microsoft.com/dotnet/aspnet:8.0",
    "cyclonedds": "team/cyclonedds:0.10",
    "pause": "registry.k8s.io/pause:3.9",
}


@pytest.mark.parametrize("name", TABLE)
def test_it_is_recognised(name: str) -> None:
    assert [seen for seen in TABLE[name][0] if name not in seen.programs()] == []


@pytest.mark.parametrize("name", TABLE)
def test_what_looks_like_it_is_not(name: str) -> None:
    assert [seen for seen in TABLE[name][1] if name in seen.programs()] == []


def test_what_needs_nothing_is_known_and_is_nothing_else() -> None:
    assert {name: Seen(image).programs() for name, image in IMAGES.items()} == {name: {name} for name in IMAGES}


def test_some_are_known_by_what_starts_them() -> None:
    assert Seen(
        "registry.k8s.io/ingress-nginx/controller:v1.12.0", "/nginx-ingress-controller --election-id=a"
    ).programs() == {"ingress_nginx"}
    assert Seen("cr.l5d.io/linkerd/proxy:edge-25.2.1", env=("LINKERD2_PROXY_LOG",)).programs() == {"linkerd"}


def test_every_program_has_rows() -> None:
    names = {program.name for program in PROGRAMS}
    assert names == set(TABLE) | set(IMAGES)
    assert set(IMAGES) <= {program.name for program in nothing.PROGRAMS}
    assert [name for name, (yes, no) in TABLE.items() if min(len(yes), len(no)) < 2] == []


def test_an_image_that_may_be_anything_is_not_known() -> None:
    images = (
        "debian:12",
        "alpine:3.20",
        "busybox:1.36",
        "python:3.12-slim",
        "node:22",
        "golang:1.22",
        "eclipse-temurin:21-jre",
        "nvidia/cuda:12.4.1-runtime-ubuntu22.04",
        "registry.example.com/shop/checkout-service:2024.11.26",
        "registry.example.com/data/ray-tracing:1",
        "registry.example.com/team/postgres-migrations:7",
        "registry.example.com/team/chromium-patches:1",
        "registry.example.com/team/database:1",
        "registry.example.com/team/express:1",
        "registry.example.com/team/standalone:1",
        "registry.example.com/team/release:1",
    )
    assert [image for image in images if Seen(image).programs()] == []


@pytest.mark.parametrize(
    ("name", "reference", "version"),
    [
        ("postgresql", "postgres:15.3-alpine", (15, 3)),
        ("postgresql", "postgres:9.6", (9, 6)),
        ("postgresql", "bitnami/postgresql:15.4.0-debian-11-r1", (15, 4)),
        ("postgresql", "crunchydata/crunchy-postgres:ubi8-15.4-2", (15, 4)),
        ("postgresql", "timescale/timescaledb:2.11.1-pg15", (15,)),
        ("postgresql", "timescale/timescaledb-ha:pg15.3-ts2.11", (15, 3)),
        ("postgresql", "pgvector/pgvector:0.7.0-pg16", (16,)),
        ("postgresql", "postgis/postgis:13-3.4", (13,)),
        ("postgresql", "zalando/spilo-15:3.0-p1", ()),
        ("postgresql", "postgres:latest", ()),
        ("postgresql", "citusdata/citus:13.0.3", ()),
        ("postgresql", "goharbor/harbor-db:v2.10.0", ()),
        ("chromium", "selenium/standalone-chrome:120.0", (120,)),
        ("chromium", "selenium/standalone-chrome:4.15.0-20231129", (4,)),
        ("chromium", "selenium/standalone-chrome:4.41.0-20261101", ()),
        ("chromium", "selenium/standalone-chrome:4.41", ()),
        ("chromium", "selenium/standalone-chrome:4.8", (4,)),
        ("chromium", "selenium/node-chrome-debug:3.141", (3,)),
        ("chromium", "zenika/alpine-chrome:124", (124,)),
        ("chromium", "browserless/chrome:1.61-chrome-stable", ()),
        ("triton", "nvcr.io/nvidia/tritonserver:23.05-py3", (23, 5)),
        ("ray", "rayproject/ray:2.34.0-py311", (2, 34)),
    ],
)
def test_the_release_is_read_from_the_tag(name: str, reference: str, version: tuple[int, ...]) -> None:
    pod = shape({}, {"containers": [{"name": "app", "image": reference}]})
    found = {one.program.name: one for one in recognise.recognised(pod, pod.containers[0], PROGRAMS)}
    assert found[name].version == version


@pytest.mark.parametrize(
    ("command", "policy", "is_server"),
    [
        ("", "Never", True),
        ("-c fsync=off", "Never", True),
        ("sh -c exec postgres", "OnFailure", True),
        ("/bin/sh -c /scripts/maintenance.sh", "Always", True),
        ("/bin/sh -c /scripts/maintenance.sh", "OnFailure", False),
        ("python3 /job.py", "Never", False),
    ],
)
def test_a_job_with_a_command_of_its_own_is_no_server(command: str, policy: str, is_server: bool) -> None:
    one = {"name": "app", "image": "postgres:16", "command": command.split()}
    pod = shape({}, {"containers": [one], "restartPolicy": policy})
    assert bool(recognise.recognised(pod, pod.containers[0], PROGRAMS)) == is_server


@pytest.mark.parametrize(
    ("labels", "is_chart"),
    [
        ({"app.kubernetes.io/name": "postgresql", "app.kubernetes.io/component": "primary"}, True),
        # what anybody calls a database of his own
        ({"app.kubernetes.io/name": "postgresql"}, False),
        ({"app.kubernetes.io/name": "postgresql", "app.kubernetes.io/component": "database"}, False),
        ({"app.kubernetes.io/component": "primary"}, False),
    ],
)
def test_the_value_of_a_chart_is_for_pods_of_the_chart(labels: dict[str, str], is_chart: bool) -> None:
    spec = {"containers": [{"name": "db", "image": "postgres:15"}]}
    work = Workload("apps/v1", "StatefulSet", "", "a", ("spec", "template"), {"labels": labels}, spec)
    facts = audit.audit(work, PROGRAMS).facts()
    assert facts["findings"]
    assert [knob.partition(":")[0] for knob in facts["knobs"]] == (["Bitnami chart postgresql"] if is_chart else [])
