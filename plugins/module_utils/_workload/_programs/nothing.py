# Copyright (c) 2026, abcdesktop.io contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: not for use from outside, may change at any time.

"""Programs that need nothing of /dev/shm themselves: what is said of their size there is a false alarm."""

from __future__ import annotations

import typing as t

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.program import (
    Marks,
    Need,
    Program,
    Uses,
    runs,
)


def _known(
    name: str,
    title: str,
    images: str,
    command: str = "",
    unless: str = r".*(exporter|client|backup).*",
    own_env: str = "",
    across_pods: bool = False,
    needs: tuple[Need, ...] = (),
) -> Program:
    marks = Marks(images=images, unless=unless, command=command, own_env=own_env)
    sources = ("general knowledge: it runs what others write",) if needs else ()
    return Program(name=name, title=title, marks=marks, across_pods=across_pods, needs=needs, sources=sources)


#: Of what runs the code of others: a volume is there for that.
_TASKS: t.Final = (Need(Uses.DEV_SHM, "what its tasks share"),)


PROGRAMS: t.Final = (
    _known("nginx", "nginx", r"nginx(-(unprivileged|plus|slim|perl))?|openresty|angie", runs("nginx|openresty")),
    _known(
        "ingress_nginx",
        "ingress-nginx",
        r"(ingress-)?nginx(-ingress)?-controller|kube-webhook-certgen|kubernetes-ingress",
        # its own image is called controller
        runs("nginx-ingress(-controller)?"),
    ),
    _known("haproxy", "HAProxy", r"haproxy(-(alpine|ingress|debian))?", runs("haproxy")),
    _known("traefik", "Traefik", r"traefik", runs("traefik")),
    _known("caddy", "Caddy", r"caddy", runs("caddy")),
    _known("kong", "Kong or APISIX", r"kong(-gateway)?|apisix(-(dashboard|ingress-controller))?"),
    _known(
        "redis",
        "Redis",
        r"(redis|valkey|keydb|dragonfly)(-(sentinel|cluster|stack|stack-server|ha|\d))?",
        runs("(redis|valkey|keydb)-(server|sentinel)"),
    ),
    _known("memcached", "Memcached", r"memcached", runs("memcached")),
    _known(
        "mysql",
        "MySQL or MariaDB",
        r"mysql(-(server|community-server|\d.*))?|mariadb(-(galera|\d.*))?|percona-(server|xtradb-cluster)(-.*)?",
        runs("mysqld(_safe)?|mariadbd"),
        r".*(exporter|client|backup|operator|router|workbench).*",
    ),
    _known(
        "mongodb",
        "MongoDB",
        r"mongo|mongodb(-(sharded|community-server|enterprise-server))?|percona-server-mongodb",
        runs("mongo[ds]"),
    ),
    _known(
        "elasticsearch",
        "Elasticsearch",
        r"elasticsearch(-(oss|wolfi))?",
        r"/usr/share/elasticsearch/bin/elasticsearch(\s|$)",
    ),
    _known("solr", "Solr", r"solr", runs("solr|solr-foreground")),
    _known("clickhouse", "ClickHouse", r"clickhouse(-(server|keeper))?", runs("clickhouse-(server|keeper)")),
    _known(
        "cassandra",
        "Cassandra or ScyllaDB",
        r"cassandra|scylla(-enterprise)?|k8ssandra-.*|cass-.*",
        runs("cassandra|scylla"),
    ),
    _known("cockroachdb", "CockroachDB", r"cockroach", runs("cockroach")),
    _known("tidb", "TiDB", r"tidb|tikv|tiflash", runs("tidb-server|tikv-server|pd-server")),
    _known("influxdb", "InfluxDB", r"influxdb", runs("influxd")),
    _known("neo4j", "Neo4j", r"neo4j", runs("neo4j")),
    _known(
        "kafka",
        "Kafka",
        r"(cp-)?kafka(-native)?|redpanda|strimzi-kafka|cp-(server|schema-registry)",
        runs(r"kafka-server-start\.sh|redpanda"),
    ),
    _known("zookeeper", "ZooKeeper", r"(cp-)?zookeeper", runs(r"zkServer\.sh")),
    _known(
        "rabbitmq",
        "RabbitMQ or another on Erlang",
        r"rabbitmq|emqx(-enterprise)?|couchdb|ejabberd|vernemq",
        runs("rabbitmq-server|emqx"),
    ),
    _known("nats", "NATS", r"nats(-(server|streaming))?", runs("nats-server")),
    _known("activemq", "ActiveMQ", r"activemq(-(artemis|classic).*)?", runs("activemq|artemis")),
    _known("etcd", "etcd", r"etcd", runs("etcd")),
    _known("minio", "MinIO", r"minio", runs("minio")),
    _known("ceph", "Ceph", r"ceph(-daemon)?", runs("ceph-(osd|mon|mgr|mds)|radosgw")),
    _known(
        "csi",
        "a driver for storage",
        r"csi-.+|.+-csi(-.+)?|livenessprobe|hostpathplugin|external-(provisioner|attacher)",
        # multipath and LUKS wait for udev of the node (democratic-csi, Trident)
        across_pods=True,
    ),
    _known("cert_manager", "cert-manager", r"cert-manager-(controller|webhook|cainjector|startupapicheck|acmesolver)"),
    _known("pgbackrest", "pgBackRest", r"(crunchy-)?pgbackrest", runs("pgbackrest server"), unless=""),
    _known("pgbouncer", "PgBouncer", r"pgbouncer|crunchy-pgbouncer|cloudnative-pgbouncer", runs("pgbouncer")),
    _known(
        "spark",
        "Spark",
        r"spark(-(py|r|operator|kubernetes.*))?",
        r"\b(org\.apache\.spark|spark-submit)\b|/opt/spark/(sbin|bin)/",
        needs=_TASKS,
    ),
    _known("flink", "Flink", r"flink", r"(jobmanager|taskmanager)\.sh|\borg\.apache\.flink\b", needs=_TASKS),
    _known(
        "dask",
        "Dask",
        r"dask(-(scheduler|worker|gateway.*))?",
        runs("dask-scheduler|dask-worker|dask (scheduler|worker)"),
        needs=_TASKS,
    ),
    _known("trino", "Trino", r"trino|presto", runs("launcher run")),
    _known(
        "prometheus",
        "Prometheus",
        r"prometheus|alertmanager|thanos|(vm(agent|alert|select|insert|storage)|victoria-metrics)",
        runs("prometheus|thanos|alertmanager"),
        r".*(exporter|operator|adapter).*",
    ),
    _known(
        "grafana",
        "Grafana, Loki or Tempo",
        r"grafana(-(oss|enterprise|image-renderer))?|loki|tempo|mimir|alloy|promtail",
        runs("grafana|grafana-server|loki|promtail"),
        r".*(exporter|operator|image-renderer).*",
    ),
    _known(
        "logs",
        "a collector of logs",
        r"fluent-?bit|fluentd(-.*)?|filebeat|vector|logstash(-oss)?|opentelemetry-collector(-.*)?|otel.*collector.*",
        runs("fluent-bit|fluentd|filebeat|vector"),
        r".*(exporter|operator).*",
    ),
    _known(
        "exporter",
        "an exporter of metrics",
        r".*[-_]exporters?|kube-state-metrics|cadvisor|metrics-server|kube-rbac-proxy",
        unless="",
    ),
    _known("istio", "Istio's proxy", r"proxyv2|istio-proxyv2|pilot|ztunnel", runs("pilot-agent")),
    _known("linkerd", "Linkerd's proxy", r"linkerd.*|proxy-init", own_env=r"LINKERD2_PROXY_.*"),
    _known("vault", "Vault", r"vault(-k8s|-enterprise)?|openbao", runs("vault (agent|server)|vault-agent")),
    _known("consul", "Consul", r"consul(-(k8s.*|dataplane|enterprise))?", runs("consul (agent|connect)")),
    _known("coredns", "CoreDNS", r"coredns|k8s-dns-.*", runs("coredns")),
    _known(
        "oauth2_proxy", "a proxy for sign-in", r"oauth2-proxy|cloud-sql-proxy|gce-proxy|alloydb-auth-proxy|pomerium"
    ),
    _known(
        "git_sync",
        "git-sync or a reloader",
        r"git-sync|(configmap|prometheus-config)-reload(er)?|k8s-sidecar",
        runs("git-sync"),
    ),
    _known("php", "PHP", r"php|wordpress|drupal|joomla|nextcloud|mediawiki|matomo", runs(r"php-fpm[\d.]*")),
    _known("keycloak", "Keycloak", r"keycloak", runs(r"kc\.sh")),
    _known("jenkins", "Jenkins beside its agents", r"jenkins"),
    _known(
        "argo_cd",
        "Argo CD",
        r"argocd|argocli|argoexec|workflow-controller",
        runs("argocd-(server|repo-server|application-controller)"),
    ),
    _known(
        "harbor",
        "Harbor beside its database",
        r"harbor-(core|portal|jobservice|registryctl)|registry-photon|nginx-photon|redis-photon|trivy-adapter-photon",
    ),
    _known(
        "gitlab_chart",
        "GitLab's chart, with its metrics in a volume of their own",
        r"gitlab-(webservice|sidekiq|workhorse|toolbox)-[ce]e|gitaly|gitlab-shell|gitlab-kas|gitlab-runner.*",
    ),
    _known(
        "kubevirt",
        "KubeVirt",
        r"virt-(launcher|handler|api|controller|operator)",
        runs("virt-launcher-monitor|virt-launcher"),
    ),
    _known("pipewire", "PipeWire or Wayland", r"pipewire|weston", runs("pipewire(-pulse)?|wireplumber|weston")),
    _known(
        "zabbix_agent2",
        "Zabbix agent 2 or Zabbix's web interface",
        r"zabbix-(agent2|web(-(nginx|apache)-\w+)?|java-gateway|snmptraps)",
        runs("zabbix_agent2"),
    ),
    _known("dotnet", ".NET", r"aspnet|dotnet-runtime", runs("dotnet")),
    _known("cyclonedds", "Cyclone DDS", r"cyclonedds(-.*)?", runs("ddsperf")),
    _known("pause", "the sandbox's own container", r"pause(-amd64|-arm64)?"),
)
