# Copyright (c) 2026, abcdesktop.io contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workloads from manifests, and what of them cannot be read."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.abcdesktopio.podshm.plugins.module_utils._workload.manifests import read

POD = "containers: [{name: c, image: i}]"


def subjects(text: str) -> list[tuple[str, str, str]]:
    """The workloads of a text: subject, place of the template, file and line."""
    workloads, problems = read(text, "f.yaml")
    assert not problems
    return [(one.subject, ".".join(map(str, one.path)), one.origin) for one in workloads]


@pytest.mark.parametrize(
    ("kind", "spec", "path"),
    [
        ("Pod", POD, ""),
        ("Deployment", f"template: {{spec: {{{POD}}}}}", "spec.template"),
        ("CronJob", f"jobTemplate: {{spec: {{template: {{spec: {{{POD}}}}}}}}}", "spec.jobTemplate.spec.template"),
        ("RayCluster", f"headGroupSpec: {{template: {{spec: {{{POD}}}}}}}", "spec.headGroupSpec.template"),
        (
            "PyTorchJob",
            f"pytorchReplicaSpecs: {{Master: {{template: {{spec: {{{POD}}}}}}}}}",
            "spec.pytorchReplicaSpecs.Master.template",
        ),
        ("Odd", f"things: [{{podSpec: {{{POD}}}}}]", "spec.things.0.podSpec"),
    ],
)
def test_a_pod_template_is_found_in_any_kind(kind: str, spec: str, path: str) -> None:
    text = f"kind: {kind}\nmetadata: {{name: a, namespace: n}}\nspec: {{{spec}}}\n"
    assert subjects(text) == [(f"{kind} n/a", path, "f.yaml:1")]


@pytest.mark.parametrize(
    ("api_version", "spec"),
    [
        ("postgresql.cnpg.io/v1", "{instances: 3, storage: {size: 1Gi}}"),
        ("acid.zalan.do/v1", "{numberOfInstances: 2}"),
        ("serving.kserve.io/v1beta1", "{predictor: {model: {resources: {limits: {memory: 1Gi}}}}}"),
        ("sparkoperator.k8s.io/v1beta2", "{image: i}"),
        ("argoproj.io/v1alpha1", "{workloadRef: {kind: Deployment, name: d}, replicas: 2}"),
        ("tekton.dev/v1", "{steps: [{name: s, image: i}]}"),
        ("elasticsearch.k8s.elastic.co/v1", "{nodeSets: [{podTemplate: {spec: {containers: [{name: c}]}}}]}"),
        ("jobset.x-k8s.io/v1alpha2", "{replicatedJobs: [{replicas: 2}]}"),
    ],
)
def test_a_custom_resource_whose_pods_are_made_of_something_else_is_not_passed_over(
    api_version: str, spec: str
) -> None:
    (found,), problems = read(f"apiVersion: {api_version}\nkind: Own\nmetadata: {{name: a}}\nspec: {spec}\n", "f.yaml")
    assert not problems
    assert found.is_without_pods
    assert found.subject == "Own a"


@pytest.mark.parametrize(
    ("api_version", "spec"),
    [
        ("autoscaling/v2", "{maxReplicas: 2, replicas: 1}"),
        ("kyverno.io/v1", "{rules: [{match: {resources: {kinds: [Pod]}}}]}"),
        ("cert-manager.io/v1", "{secretName: s}"),
        ("networking.istio.io/v1", "{http: [{route: [{weight: 90}]}]}"),
        ("monitoring.coreos.com/v1", "{endpoints: [{port: p}]}"),
        ("cluster.x-k8s.io/v1beta1", "{replicas: 3}"),
        ("image.toolkit.fluxcd.io/v1beta2", "{image: i}"),
    ],
)
def test_what_has_nothing_to_do_with_pods_is_no_workload(api_version: str, spec: str) -> None:
    assert subjects(f"apiVersion: {api_version}\nkind: Own\nmetadata: {{name: a}}\nspec: {spec}\n") == []


@pytest.mark.parametrize(
    ("kind", "before", "path"), [("Workflow", "", "spec"), ("CronWorkflow", "workflowSpec: ", "spec.workflowSpec")]
)
def test_each_template_of_a_workflow_of_argo_is_a_pod(kind: str, before: str, path: str) -> None:
    text = f"""apiVersion: argoproj.io/v1alpha1
kind: {kind}
metadata: {{generateName: a-}}
spec:
  {before}{{
    volumes: [{{name: shm, emptyDir: {{medium: Memory}}}}],
    templates: [
      {{name: steps, steps: [[{{name: a, template: train}}]]}},
      {{name: train, container: {{image: i}}, sidecars: [{{name: beside, image: j}}], volumes: [{{name: own}}]}},
      {{name: script, script: {{image: i, source: x}}}},
      {{name: set, containerSet: {{containers: [{{name: one, image: i}}, {{name: two, image: i}}]}}}},
    ]}}
"""
    found, problems = read(text, "f.yaml")
    assert not problems
    assert [(".".join(map(str, one.path)), [each["name"] for each in one.spec["containers"]]) for one in found] == [
        (f"{path}.templates.1", ["main", "beside"]),
        (f"{path}.templates.2", ["main"]),
        (f"{path}.templates.3", ["one", "two"]),
    ]
    assert [each["name"] for each in found[0].spec["volumes"]] == ["shm", "own"]
    assert [each["name"] for each in found[1].spec["volumes"]] == ["shm"]


def test_containers_of_knative_have_the_names_that_it_gives_them() -> None:
    text = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {{name: a}}\nspec: {{template: {{spec: {}}}}}"
    for spec, names in [
        ("{containers: [{image: i}]}", ["user-container"]),
        ("{containers: [{image: i}, {image: j, name: beside}]}", ["user-container-0", "beside"]),
    ]:
        (found,), _problems = read(text.format(spec), "f.yaml")
        assert [one["name"] for one in found.spec["containers"]] == names


def test_every_template_of_an_object_counts() -> None:
    group = f"{{template: {{spec: {{{POD}}}}}}}"
    text = f"kind: RayCluster\nmetadata: {{name: a}}\nspec: {{headGroupSpec: {group}, workerGroupSpecs: [{group}, {group}]}}"
    assert [path for _subject, path, _origin in subjects(text)] == [
        "spec.headGroupSpec.template",
        "spec.workerGroupSpecs.0.template",
        "spec.workerGroupSpecs.1.template",
    ]


def test_documents_and_items_of_lists_have_lines_of_their_own() -> None:
    text = f"""---
# nothing
---
kind: Service
metadata: {{name: s}}
---
kind: List
items:
- {{kind: Pod, metadata: {{name: a}}, spec: {{{POD}}}}}
- kind: PodList
  items:
  - {{kind: Pod, metadata: {{name: b}}, spec: {{{POD}}}}}
"""
    assert [(subject, origin) for subject, _path, origin in subjects(text)] == [
        ("Pod a", "f.yaml:9"),
        ("Pod b", "f.yaml:12"),
    ]


def test_the_claims_of_a_stateful_set_are_volumes() -> None:
    text = f"kind: StatefulSet\nmetadata: {{name: a}}\nspec: {{volumeClaimTemplates: [{{metadata: {{name: data}}}}], template: {{spec: {{{POD}}}}}}}"
    workloads, _problems = read(text, "f")
    assert [one["name"] for one in workloads[0].spec["volumes"]] == ["data"]


def test_definitions_and_data_are_no_workloads() -> None:
    for kind in ("CustomResourceDefinition", "ConfigMap", "Secret"):
        assert subjects(f"kind: {kind}\nmetadata: {{name: a}}\nspec: {{template: {{spec: {{{POD}}}}}}}") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: Pod\nmetadata: {name: {{ .Values.a }}}\nspec: {}\n", "f.yaml:2: it is a template that is not rendered"),
        ("a: [\n", "f.yaml:2: it is no YAML"),
        ("- 1\n", "f.yaml:1: it is no object of Kubernetes"),
        ("metadata: {}\n", "f.yaml:1: it is no object of Kubernetes"),
        (f"kind: Pod\nspec: {{{POD}}}\n", "f.yaml:1: Pod without a name"),
        (f"kind: Pod\nmetadata: {{name: '{{{{ a }}}}'}}\nspec: {{{POD}}}\n", "f.yaml:1: Pod {{ a }}: it is a template"),
        ("!!python/object/apply:os.system [id]\n", "f.yaml:1: it is no YAML"),
        # a password
        (
            "kind: Secret\nb: !correct-horse\n",
            "f.yaml:2: it is no YAML: could not determine a constructor for the tag",
        ),
    ],
)
def test_a_problem_has_its_file_and_line(text: str, problem: str) -> None:
    workloads, problems = read(text, "f.yaml")
    assert not workloads
    assert str(problems[0]).startswith(problem)


def test_a_problem_costs_its_own_document_only() -> None:
    text = f"- 1\n---\nkind: Pod\nmetadata: {{name: a}}\nspec: {{{POD}}}\n"
    workloads, problems = read(text, "f.yaml")
    assert (len(workloads), len(problems)) == (1, 1)


def test_what_is_no_yaml_costs_its_own_document_only() -> None:
    good = f"kind: Pod\nmetadata: {{name: a}}\nspec: {{{POD}}}\n"
    broken = "kind: Pod\nmetadata:\n  name: {{ .Values.name }}-x\nspec: {}\n"
    workloads, problems = read(f"{good}---\n{broken}---\n{good}--- # again\na: [\n---\n{good}", "f.yaml")
    assert [one.origin for one in workloads] == ["f.yaml:1", "f.yaml:10", "f.yaml:16"]
    assert [str(one).split(":")[1] for one in problems] == ["7", "15"]
    assert "template that is not rendered" in str(problems[0])


def test_of_a_text_that_is_no_yaml_at_all_the_first_lines_are_named() -> None:
    _workloads, problems = read("---\na: [\n" * 1000, "f.yaml")
    assert len(problems) == 50


def test_a_file_of_five_megabytes_is_read_without_libyaml_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine seconds without it, two with it: too long for a unit test, so a tenth of it."""
    document = (
        f"kind: Pod\nmetadata: {{name: a}}\nspec: {{{POD}}}\n---\nkind: ConfigMap\nmetadata: {{name: c}}\ndata:\n"
    )
    text = (document + "".join(f"  key-{line}: value {line}\n" for line in range(60)) + "---\n") * 330
    with_it = read(text, "f.yaml")
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert read(text, "f.yaml") == with_it
    assert len(with_it[0]) == 330


def test_aliases_of_aliases_are_counted_and_never_written_out() -> None:
    lines = ["kind: Pod", "a0: &a0 [" + ",".join("x" * 10) + "]"]
    lines += [f"a{n}: &a{n} [" + ",".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 12)]
    workloads, problems = read("\n".join(lines), "f.yaml")
    assert not workloads
    assert "its aliases stand for more than" in str(problems[0])


def test_what_holds_itself_ends() -> None:
    _workloads, problems = read("kind: Pod\nmetadata: {name: a}\nspec: &s {a: *s}\n", "f.yaml")
    assert problems or not _workloads


@pytest.mark.parametrize("deep", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000], ids=["list", "mapping", "block"])
def test_what_is_nested_without_end_does_not_end_the_process(deep: str) -> None:
    good = f"kind: Pod\nmetadata: {{name: a}}\nspec: {{{POD}}}\n"
    workloads, problems = read(f"{good}---\nspec:\n  {deep}\n---\n{good}", "f.yaml")
    assert [one.origin for one in workloads] == ["f.yaml:1", "f.yaml:8"]
    assert [str(one) for one in problems] == ["f.yaml:6: its values are nested more than 250 deep"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            f"kind: StatefulSet\nmetadata: {{name: a}}\nspec: {{volumeClaimTemplates: 3, template: {{spec: {{{POD}}}}}}}",
            "",
        ),
        (f"kind: Odd\nmetadata: {{name: a}}\nspec: [{{template: {{spec: {{{POD}}}}}}}]", ""),
        (f"kind: Pod\nmetadata: [a]\nspec: {{{POD}}}", "f:1: Pod without a name"),
        ("kind: List\nitems: [3]", "f:2: it is no object of Kubernetes: it has no kind"),
        (f"kind: Pod\nmetadata: {{name: a, labels: {{a: 2020-99-99, b: 0x_}}}}\nspec: {{{POD}}}", ""),
        (f"kind: Pod\nmetadata: {{name: 2020-09-09}}\nspec: {{{POD}}}", ""),
        ("kind: Pod\nmetadata: {name: a}\nspec: [1]", "f:1: Pod a: spec is no mapping"),
        ("kind: List\nitems: a", "f:1: items of the List is no list"),
        (
            f"kind: Pod\nmetadata: {{name: a}}\nspec: {{{POD}}}\nkind: Pod\nmetadata: {{name: b}}",
            "f:4: a second kind in one object: is a line --- missing?",
        ),
    ],
)
def test_fields_of_another_type_are_no_end_of_the_audit(text: str, problem: str) -> None:
    good = f"kind: Pod\nmetadata: {{name: good}}\nspec: {{{POD}}}\n"
    workloads, problems = read(f"{text}\n---\n{good}", "f")
    assert workloads[-1].name == "good"
    assert [str(one) for one in problems] == ([problem] if problem else [])


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("text", "spec is no mapping"),
        ("null", "spec is no mapping"),
        ("{template: [1]}", "spec.template is no mapping"),
        ("{template: {spec: null}}", "spec.template.spec is no mapping"),
        ("{template: {spec: {containers: null}}}", "spec.template.spec.containers is no list"),
        ("{template: {spec: {containers: []}}}", "spec.template.spec.containers is empty"),
        (
            "{template: {spec: {containers: [{name: c, image: i}, 7]}}}",
            "spec.template.spec.containers[1] is no mapping",
        ),
        ("{template: {spec: {containers: [{image: i}]}}}", "spec.template.spec.containers[0] has no name"),
        ("{selector: {}, template: {spec: {}}}", "spec.template.spec.containers is missing"),
        (
            "{selector: {}, template: {spec: {containers: [{name: c}]}}}",
            "spec.template.spec.containers: none has an image",
        ),
    ],
)
def test_a_kind_that_has_pods_is_never_passed_over(spec: str, problem: str) -> None:
    text = f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec: {spec}\n"
    workloads, problems = read(text, "f")
    assert not workloads
    assert [str(one) for one in problems] == [f"f:1: Deployment a: {problem}"]


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 3}",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{name: c}]}}}",
        "apiVersion: example.com/v1\nkind: Job\nmetadata: {name: a}\nspec: {tasks: []}",
    ],
)
def test_a_patch_of_kustomize_and_a_kind_of_the_same_name_are_no_workloads(text: str) -> None:
    assert subjects(text) == []


def test_values_are_what_kubernetes_makes_of_them() -> None:
    """Each of these is text there, and data that can be returned."""
    values = ["2020-01-01", "2020-01-01T00:00:00Z", "!!binary aGk=", "0x" + "f" * 6000, "9" * 6000, "1" * 30, ".nan"]
    for value in values:
        text = f"kind: Pod\nmetadata: {{name: a}}\nspec: {{{POD}, x: {value}}}\n"
        (work,), problems = read(text, "f")
        assert not problems
        assert work.spec["x"] == value.removeprefix("!!binary ")
    (work,), _problems = read(
        f"kind: Pod\nmetadata: {{name: a}}\nspec: {{{POD}, x: !!set {{b}}, y: !!omap [c: 1]}}\n", "f"
    )
    assert (work.spec["x"], work.spec["y"]) == ({"b": None}, [{"c": 1}])


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x7f", "\x80"])
def test_a_control_character_costs_its_own_document_only(character: str) -> None:
    good = f"kind: Pod\nmetadata: {{name: a}}\nspec: {{{POD}}}\n"
    workloads, problems = read(f"{good}---\n# a\nkind: ConfigMap\ndata: {{a: '{character}'}}\n---\n{good}", "f")
    assert [one.origin for one in workloads] == ["f:1", "f:9"]
    assert [str(one) for one in problems] == [
        f"f:7: it is no YAML: it has the control character U+{ord(character):04X}"
    ]


@pytest.mark.parametrize("secret", ["!s3cr3t", "*s3cr3t", "!s3cr3t!x", "&a &s3cr3t"])
def test_a_password_that_is_no_yaml_is_not_quoted(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"kind: Secret\nmetadata: {{name: a}}\nstringData:\n  password: {secret}\n"
    for _loader in range(2):
        _workloads, problems = read(text, "f")
        assert [str(one) for one in problems]
        assert "s3cr3t" not in str(problems)
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)


def test_items_of_a_list_of_one_kind_need_no_kind() -> None:
    """As kubectl get --raw prints it."""
    text = f"apiVersion: v1\nkind: PodList\nitems:\n- {{metadata: {{name: a}}, spec: {{{POD}}}}}\n"
    assert subjects(text) == [("Pod a", "", "f.yaml:4")]


def test_a_field_that_is_merged_and_then_set_is_no_second_one() -> None:
    text = f"x: &base {{kind: Pod, spec: {{}}}}\n<<: *base\nkind: Pod\nmetadata: {{name: a}}\nspec: {{{POD}}}\n"
    assert subjects(text) == [("Pod a", "", "f.yaml:1")]
