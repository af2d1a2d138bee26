"""One object of each kind, with every field that this program reads and what people write most."""

import yaml

PODS = """
"":
  metadata: {name: x, labels: {app: x}, annotations: {note: text}}
  spec: {restartPolicy: Always, hostNetwork: false, terminationGracePeriodSeconds: 5, imagePullSecrets: [{name: mine}]}
ports:
  spec: {hostNetwork: true}
  container: {imagePullPolicy: Always, ports: [{name: http, containerPort: 80, hostPort: 8080, protocol: TCP}]}
variables:
  container:
    command: [sh, -c, x]
    env: [{name: A, value: b}, {name: S, valueFrom: {secretKeyRef: {name: x, key: y}}}]
    envFrom: [{configMapRef: {name: x}}]
    securityContext: {privileged: false, runAsUser: 0}
probes:
  container:
    lifecycle: {preStop: {exec: {command: [sleep, '5']}}}
    livenessProbe: {httpGet: {path: /, port: http, httpHeaders: [{name: a, value: b}]}, periodSeconds: 5}
    readinessProbe: {exec: {command: ['true']}}
resources:
  spec: {overhead: {cpu: 1m}, initContainers: [{name: i, image: reg.example/web:1, resources: {requests: {cpu: 100m}}}]}
  container: {resources: {limits: {cpu: 1, memory: 64Mi}, requests: {cpu: 500m}}}
mounts:
  spec: {volumes: [{name: v, hostPath: {path: /x}}, {name: h, persistentVolumeClaim: {claimName: x}}]}
  container: {volumeMounts: [{name: v, mountPath: /opt/kelvin/hold, subPath: ''}, {name: h, mountPath: /h, readOnly: true}]}
volumes:
  spec:
    volumes:
    - {name: s, secret: {secretName: x, defaultMode: 256, items: [{key: a, path: a, mode: 256}]}}
    - {name: e, emptyDir: {sizeLimit: 1Gi}}
    - {name: i, image: {reference: reg.example/web:1, pullPolicy: Always}}
nodes:
  spec:
    nodeSelector: {disk: ssd}
    serviceAccountName: x
    priorityClassName: x
    tolerations: [{key: a, operator: Exists}]
    affinity:
      nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In, values: [b]}]}]}}
neighbours:
  metadata: {labels: {app: x}}
  spec:
    affinity:
      podAntiAffinity:
        requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: x}}}]
"""
"""Parts of a pod, each with a container of its own: small objects, so that every path of all of them is soon tried."""

STRATEGY = {
    "replicas": 2,
    "minReadySeconds": 5,
    "paused": False,
    "selector": {"matchLabels": {"app": "x"}},
    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
}
SMALL_POD = "{metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: reg.example/web:1}]}}"
CLAIM = "{metadata: {name: data, labels: {a: b}}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}"

SPECS = f"""
v1 ConfigMap: {{data: {{a: b}}, binaryData: {{c: aGk=}}, immutable: false}}
v1 ConfigMap exported:
  metadata: {{namespace: other, uid: a, resourceVersion: '5', finalizers: [a/b], ownerReferences: [{{kind: A, name: a, controller: true}}], managedFields: [{{manager: a}}]}}
  status: {{conditions: [{{type: A}}]}}
v1 Endpoints: {{subsets: [{{addresses: [{{ip: 10.0.0.1}}], ports: [{{port: 80}}]}}]}}
v1 LimitRange: {{spec: {{limits: [{{type: Container, default: {{cpu: 1}}}}]}}}}
v1 Namespace: {{spec: {{finalizers: [kubernetes]}}}}
v1 PersistentVolume: {{spec: {{capacity: {{storage: 1Gi}}, accessModes: [ReadWriteOnce], hostPath: {{path: /x}}}}}}
v1 PersistentVolumeClaim: {CLAIM}
v1 ReplicationController: {{spec: {{replicas: 1, selector: {{app: x}}, template: {SMALL_POD}}}}}
v1 ResourceQuota: {{spec: {{hard: {{pods: 5}}}}}}
v1 Secret: {{data: {{a: aGk=}}, stringData: {{b: '<% secrets.b %>'}}, type: Opaque}}
v1 Service: {{spec: {{type: NodePort, selector: {{app: x}}, ports: [{{name: a, port: 80, targetPort: http, nodePort: 30080, protocol: TCP}}]}}}}
v1 ServiceAccount: {{imagePullSecrets: [{{name: x}}], automountServiceAccountToken: true}}
v1 Pod: {{spec: {{restartPolicy: Never, volumes: [{{name: v, hostPath: {{path: /x}}}}], containers: [{{name: c, image: 'reg.example/web:1'}}]}}}}
apps/v1 DaemonSet: {{spec: {{selector: {{matchLabels: {{app: x}}}}, updateStrategy: {{type: RollingUpdate}}, template: {SMALL_POD}}}}}
apps/v1 ReplicaSet: {{spec: {{replicas: 1, selector: {{matchLabels: {{app: x}}}}, template: {SMALL_POD}}}}}
apps/v1 StatefulSet:
  spec: {{replicas: 1, serviceName: x, selector: {{matchLabels: {{app: x}}}}, template: {SMALL_POD}, volumeClaimTemplates: [{CLAIM}],
    updateStrategy: {{rollingUpdate: {{partition: 0}}}}}}
batch/v1 CronJob: {{spec: {{schedule: '* * * * *', suspend: false, jobTemplate: {{metadata: {{labels: {{a: b}}}}, spec: {{template: {SMALL_POD}}}}}}}}}
batch/v1 Job: {{spec: {{backoffLimit: 1, suspend: false, template: {SMALL_POD}}}}}
networking.k8s.io/v1 Ingress: {{spec: {{rules: [{{host: a, http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: x, port: {{number: 80}}}}}}}}]}}}}]}}}}
networking.k8s.io/v1 IngressClass: {{spec: {{controller: x}}}}
networking.k8s.io/v1 NetworkPolicy: {{spec: {{podSelector: {{matchLabels: {{app: x}}}}, ingress: [{{ports: [{{port: 80}}]}}]}}}}
rbac.authorization.k8s.io/v1 ClusterRole: {{rules: [{{apiGroups: [''], resources: [pods], verbs: [get]}}]}}
rbac.authorization.k8s.io/v1 Role: {{rules: [{{apiGroups: [''], resources: [pods], verbs: [get]}}]}}
rbac.authorization.k8s.io/v1 ClusterRoleBinding: {{roleRef: {{kind: ClusterRole, name: x}}, subjects: [{{kind: ServiceAccount, name: x, namespace: other}}]}}
rbac.authorization.k8s.io/v1 RoleBinding: {{roleRef: {{kind: Role, name: x}}, subjects: [{{kind: ServiceAccount, name: x}}]}}
storage.k8s.io/v1 CSIDriver: {{spec: {{attachRequired: false}}}}
storage.k8s.io/v1 StorageClass: {{provisioner: x, parameters: {{a: b}}, allowVolumeExpansion: true}}
policy/v1 PodDisruptionBudget: {{spec: {{minAvailable: 1, selector: {{matchLabels: {{app: x}}}}}}}}
autoscaling/v2 HorizontalPodAutoscaler:
  spec: {{scaleTargetRef: {{kind: Deployment, name: x}}, minReplicas: 1, maxReplicas: 2, metrics: [{{type: Resource, resource: {{name: cpu, target: {{averageValue: 1}}}}}}]}}
apiextensions.k8s.io/v1 CustomResourceDefinition:
  spec: {{group: e.example, scope: Namespaced, names: {{kind: W, plural: ws}}, versions: [{{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}]}}
admissionregistration.k8s.io/v1 MutatingWebhookConfiguration: {{webhooks: [{{name: a, clientConfig: {{caBundle: aGk=, service: {{name: x}}}}, rules: [{{operations: [CREATE]}}]}}]}}
admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration: {{webhooks: [{{name: a, clientConfig: {{service: {{name: x, namespace: other}}}}}}]}}
apiregistration.k8s.io/v1 APIService: {{spec: {{group: a, version: v1, service: {{name: x}}}}}}
scheduling.k8s.io/v1 PriorityClass: {{value: 5, globalDefault: false}}
node.k8s.io/v1 RuntimeClass: {{handler: x, overhead: {{podFixed: {{cpu: 1m}}}}}}
coordination.k8s.io/v1 Lease: {{spec: {{holderIdentity: x}}}}
discovery.k8s.io/v1 EndpointSlice: {{addressType: IPv4, endpoints: [{{addresses: [10.0.0.1]}}], ports: [{{port: 80}}]}}
example.com/v1 Widget: {{spec: {{a: 1, list: [1, {{b: c}}]}}, status: {{phase: x}}}}
foreign.example/v1 Deployment: {{spec: {{selector: {{}}, template: {SMALL_POD}, strategy: {{type: x}}}}}}
foreign.example/v1 Service: {{spec: {{ports: [{{port: 80}}]}}}}
"""


def samples():
    """Each kind's object, by `apiVersion kind`; Deployments with one part of a pod each, by `apps/v1 Deployment part`."""
    bodies = yaml.safe_load(SPECS)
    for part, pod in yaml.safe_load(PODS).items():
        container = {"name": "c", "image": "reg.example/web:1"} | pod.get("container", {})
        template = {"metadata": pod.get("metadata", {}), "spec": pod.get("spec", {}) | {"containers": [container]}}
        bodies[f"apps/v1 Deployment {part}".strip()] = {
            "spec": (STRATEGY if part in {"", "ports"} else {"selector": {}}) | {"template": template}
        }
    return {name: _object(*name.split()[:2], body) for name, body in bodies.items()}


def _object(version, kind, body):
    metadata = {"name": "x", "labels": {"a": "b"}, "annotations": {"c": "d"}} | body.get("metadata", {}) | {"name": "x"}
    return {"apiVersion": version, "kind": kind} | body | {"metadata": metadata}
