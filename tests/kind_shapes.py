"""Write kelvin_provision/spec/kinds/shapes.json from the models of the `kubernetes` package: `python -m tests.kind_shapes`.

Importing the models takes every `deploy` a second; the file takes a millisecond. A test compares the two.
"""

import json
import re
import sys
from pathlib import Path

import kelvin_provision.spec.kinds

FILE = Path(kelvin_provision.spec.kinds.__file__).parent / "shapes.json"

KINDS = {
    "v1": "ConfigMap Endpoints LimitRange Namespace PersistentVolume PersistentVolumeClaim Pod ReplicationController ResourceQuota Secret Service"
    " ServiceAccount",
    "apps/v1": "DaemonSet Deployment ReplicaSet StatefulSet",
    "batch/v1": "CronJob Job",
    "networking.k8s.io/v1": "Ingress IngressClass NetworkPolicy",
    "rbac.authorization.k8s.io/v1": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "storage.k8s.io/v1": "CSIDriver StorageClass",
    "policy/v1": "PodDisruptionBudget",
    "autoscaling/v2": "HorizontalPodAutoscaler",
    "apiextensions.k8s.io/v1": "CustomResourceDefinition",
    "admissionregistration.k8s.io/v1": "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
    "apiregistration.k8s.io/v1": "APIService",
    "scheduling.k8s.io/v1": "PriorityClass",
    "node.k8s.io/v1": "RuntimeClass",
    "coordination.k8s.io/v1": "Lease",
    "discovery.k8s.io/v1": "EndpointSlice",
}
SIMPLE = {"str": "s", "int": "i", "bool": "b", "float": "n", "object": "*", "datetime": "s"}

INT_OR_TEXT = {
    "HTTPGetAction": ["port"],
    "TCPSocketAction": ["port"],
    "ServicePort": ["targetPort"],
    "NetworkPolicyPort": ["port"],
    "RollingUpdateDeployment": ["maxSurge", "maxUnavailable"],
    "RollingUpdateDaemonSet": ["maxSurge", "maxUnavailable"],
    "RollingUpdateStatefulSetStrategy": ["maxUnavailable"],
    "PodDisruptionBudgetSpec": ["maxUnavailable", "minAvailable"],
}
QUANTITIES = {
    "ResourceRequirements": ["limits", "requests"],
    "VolumeResourceRequirements": ["limits", "requests"],
    "PodSpec": ["overhead"],
    "Overhead": ["podFixed"],
    "EmptyDirVolumeSource": ["sizeLimit"],
    "ResourceFieldSelector": ["divisor"],
    "PersistentVolumeSpec": ["capacity"],
    "ResourceQuotaSpec": ["hard"],
    "LimitRangeItem": ["default", "defaultRequest", "max", "maxLimitRequestRatio", "min"],
    "MetricTarget": ["averageValue", "value"],
    "HPAScalingRules": ["tolerance"],
}
BASE64 = {
    "Secret": ["data"],
    "ConfigMap": ["binaryData"],
    "AdmissionregistrationV1WebhookClientConfig": ["caBundle"],
    "ApiextensionsV1WebhookClientConfig": ["caBundle"],
    "APIServiceSpec": ["caBundle"],
}
REQUIRED = {
    "Container": ["name"],
    "ContainerPort": ["containerPort"],
    "EnvVar": ["name"],
    "Volume": ["name"],
    "VolumeMount": ["name", "mountPath"],
    "PodSpec": ["containers"],
    "DeploymentSpec": ["selector", "template"],
    "StatefulSetSpec": ["selector", "template"],
    "DaemonSetSpec": ["selector", "template"],
    "ReplicaSetSpec": ["selector"],
    "JobSpec": ["template"],
    "CronJobSpec": ["jobTemplate", "schedule"],
    "ServicePort": ["port"],
    "CustomResourceDefinition": ["spec"],
    "CustomResourceDefinitionSpec": ["group", "names", "scope", "versions"],
    "CustomResourceDefinitionNames": ["kind", "plural"],
    "CustomResourceDefinitionVersion": ["name", "served", "storage"],
} | {kind: ["spec"] for kind in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod")}  # fmt: skip


def shapes():
    import kubernetes
    from kubernetes.client import models

    types = {}

    def add(model):
        name = re.sub(r"^V\d((alpha|beta)\d)?", "", model)
        if name in types:
            return name
        fields = types[name] = {}
        cls = getattr(models, model)
        for attribute, key in cls.attribute_map.items():
            if (attribute, "metadata" in cls.attribute_map) not in {("status", True), ("api_version", True), ("kind", True)}:
                fields[key] = code(name, key, cls.openapi_types[attribute])
        return name

    def code(owner, key, kind):
        mark = "!" if key in REQUIRED.get(owner, ()) else ""
        if inner := re.fullmatch(r"[lL]ist\[(.*)\]", kind):
            return mark + "[" + code("", "", inner[1])
        if inner := re.fullmatch(r"[dD]ict[\[(]str, ?(.*)[\])]", kind):
            kind, mark = inner[1], mark + "{"
        for letter, fields in (("p", INT_OR_TEXT), ("q", QUANTITIES), ("y", BASE64)):
            if key in fields.get(owner, ()):
                return mark + letter
        if kind in SIMPLE:
            return mark + SIMPLE[kind]
        return mark + (code("", "", kind) if kind.lower().startswith(("list", "dict")) else add(kind))

    kinds = {}
    for version, names in KINDS.items():
        for name in names.split():
            kinds[f"{version} {name}"] = add(f"{version.rpartition('/')[2].upper()}{name}")
    return {"from": kubernetes.__version__, "kinds": kinds, "types": {name: types[name] for name in sorted(types)}}


def text():
    document = shapes()
    lines = [f'{{"from": "{document["from"]}", "kinds": {{']
    lines.append(",\n".join(f" {json.dumps(kind)}: {json.dumps(name)}" for kind, name in document["kinds"].items()))
    lines.append('}, "types": {')
    lines.append(
        ",\n".join(f" {json.dumps(name)}: {json.dumps(fields, separators=(',', ':'))}" for name, fields in document["types"].items())
    )
    return "\n".join([*lines, "}}"]) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
    sys.stdout.write(f"{FILE}: {FILE.stat().st_size} bytes\n")
