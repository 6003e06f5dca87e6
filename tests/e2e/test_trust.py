"""Signatures, rights, TLS and the Gateway's checks on a real cluster; Roles that give no verb too many or too few."""

import json
import subprocess
import time

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from tabular_model import signing
from tests.e2e.cluster import GATEWAY, HOST, forwarded, kubectl, run, wait_for
from tests.e2e.gateway import ROWS, client
from tests.model_server.serving import APPLICANT
from tests.model_server.test_tls import write

RIGHTS = ("predict", "train", "load")
UNPICKLING = ("joblib", "sklearn", "cloudpickle", "dill", "skops", "torch", "xgboost", "lightgbm", "mlflow", "onnx")
LOAD = "/v2/repository/models/loan/load"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    signing.make(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def installed(release, keys, images):
    """A release that takes only what it signed, and only callers with a right; one service account for each right."""
    release.kubectl("create", "secret", "generic", "signing", f"--from-file={keys / 'signing.key'}")
    values = ["--set", "training.run=true", "--set", "training.signing.secretName=signing"]
    values += ["--set-file", f"serving.verify.publicKeys={keys / 'signing.pub'}"]
    values += ["--set", "access.predict=true", "--set", "serving.train.enabled=true", "--set", "serving.replicas.max=1"]
    repository, tag = images.rollout.rsplit(":", 1)
    values += ["--set", "rollout.enabled=true", "--set", f"image.rollout.repository={repository}"]
    values += ["--set", f"image.rollout.tag={tag}"]
    values += ["--set", "training.parameters.algorithm=logistic"]
    # So that a right that is taken away is missed at once.
    values += ["--set-string", "serving.settings.LOAN_ACCESS_SECONDS=0"]
    for right in RIGHTS:
        release.kubectl("create", "serviceaccount", right)
        subject = f"access.subjects.{right}[0]"
        values += ["--set", f"{subject}.kind=ServiceAccount", "--set", f"{subject}.name={right}"]
    release.install(*values)
    release.wait(f"job/{release.service}-training-initial", "condition=Complete")
    release.upgrade("--set", "stable.version=v1")
    release.wait(f"inferenceservice/{release.service}", "condition=Ready")


@pytest.fixture(scope="module")
def bearer(release, installed):
    """What each service account sends."""

    def token(account, audience="loan-model"):
        made = release.kubectl("create", "token", account, "--audience", audience).strip()
        return {"authorization": f"Bearer {made}"}

    return token


def ask(method, path, headers, body=None):
    with client() as http:
        return http.request(method, path, headers=headers, json=body, timeout=170)


def predict(headers):
    return ask("POST", "/predict", headers, APPLICANT).status_code


def by_grpc(metadata):
    request = pb.ModelInferRequest(model_name="loan")
    request.inputs.add(name="x", datatype="FP64", shape=[1, 7])
    request.raw_input_contents.append(ROWS[:1].tobytes())
    with grpc.insecure_channel(GATEWAY, options=[("grpc.default_authority", HOST)]) as channel:
        try:
            return GRPCInferenceServiceStub(channel).ModelInfer(request, metadata=metadata, timeout=30).model_version
        except grpc.RpcError as error:
            return error.code()


@pytest.mark.parametrize("module", UNPICKLING)
def test_the_servers_image_has_nothing_that_unpickles_models(images, module):
    done = subprocess.run(
        ["docker", "run", "--rm", "--entrypoint", "python3", images.server, "-c", f"import {module}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, f"No module named '{module}'" in done.stderr) == (1, True), done.stderr


def test_each_images_label_is_the_version_in_it(images):
    for image in images:
        installed = run("docker", "run", "--rm", image, "--version").strip()
        labels = json.loads(run("docker", "image", "inspect", "--format", "{{json .Config.Labels}}", image))
        assert labels["org.opencontainers.image.version"] == installed


def test_each_right_is_judged_by_the_cluster(release, bearer):
    wait_for(lambda: predict(bearer("predict")) == 200, 60, "the first prediction")
    for account in RIGHTS:
        headers = bearer(account)
        assert predict(headers) == (200 if account == "predict" else 403)
        loaded = ask("POST", LOAD, headers, {"parameters": {"version": "v1"}})
        assert loaded.status_code == (200 if account == "load" else 403), loaded.text
        if account != "train":
            refused = ask("POST", "/train", headers, {})
            assert refused.status_code == 403
            who = f"system:serviceaccount:{release.namespace}:{account} does not have the right to train"
            assert who in refused.json()["error"]
    for stranger in ({}, {"authorization": "Bearer made-up"}, bearer("predict", "https://kubernetes.default.svc")):
        assert predict(stranger) == 401
        assert ask("POST", "/train", stranger, {}).status_code == 401


def test_helm_test_sees_that_a_token_is_asked_for(release):
    release.helm("test", release.name)


def test_grpc_is_judged_too(bearer):
    assert by_grpc(list(bearer("predict").items())) == "v1"
    assert by_grpc(list(bearer("train").items())) == grpc.StatusCode.PERMISSION_DENIED
    assert by_grpc([]) == grpc.StatusCode.UNAUTHENTICATED


def test_a_caller_trains_a_signed_version_and_the_audit_line_has_the_name(release, bearer, keys):
    answer = ask("POST", "/train", bearer("train"), {})
    assert answer.json()["new_model_version"] == "v2", answer.text
    assert ask("POST", "/train", bearer("train"), {"data": "s3://elsewhere/data.csv"}).status_code == 400
    selector = f"serving.kserve.io/inferenceservice={release.service}"
    logs = release.kubectl("logs", "--selector", selector, "--container=kserve-container", "--tail=-1").splitlines()
    told = [json.loads(line) for line in logs if '"audit"' in line]
    who = f"system:serviceaccount:{release.namespace}"
    found = [(line["audit"], line["who"], line["result"]) for line in told]
    assert ("train", f"{who}:train", "started") in found
    assert ("load", f"{who}:load", "done") in found
    assert ("train", f"{who}:predict", "refused") in found
    assert "Bearer" not in "".join(logs)
    wait_for(lambda: ("v2", "done") in audited(release), 20, "the training's end in the audit trail")
    release.upgrade("--set", "stable.version=v2")
    release.wait_until_rolled_out()
    wait_for(lambda: by_grpc(list(bearer("predict").items())) == "v2", 60, "the signed v2")


def audited(release):
    logs = release.kubectl(
        "logs", f"deployment/{release.service}-predictor", "--container=kserve-container", "--tail=-1"
    )
    lines = [json.loads(line) for line in logs.splitlines() if '"audit"' in line]
    return [(line["what"], line["result"]) for line in lines]


def test_a_version_signed_by_another_is_not_served_and_the_cause_is_named(release, bearer, tmp_path, figure):
    signing.make(tmp_path)
    release.upgrade("--set-file", f"serving.verify.publicKeys={tmp_path / 'signing.pub'}", "--set", "stable.version=v1")
    seconds = wait_for(lambda: "v1 is signed by another key" in release.why(), 90, "the cause in a condition")
    assert predict(bearer("predict")) == 200, "the old pod goes on"
    figure("cause named, signed by another", f"{seconds:.0f} s after helm upgrade")
    release.helm("rollback", release.name)
    release.wait_until_rolled_out()


# Each Role of the chart with a verb that is taken from it, and the feature that must then fail.
TAKEN = [
    ("clusterrole", "tokens", "tokenreviews", "create", "predict"),
    ("role", "rights", "localsubjectaccessreviews", "create", "predict"),
    ("role", "may-predict", "inferenceservices", "predict", "predict"),
    ("role", "may-load", "inferenceservices", "load", "load"),
    ("role", "may-train", "inferenceservices", "train", "train"),
    ("role", "train", "cronjobs", "get", "train"),
    ("role", "train", "jobs", "list", "train"),
    ("role", "train", "jobs", "create", "train"),
    ("role", "train", "jobs", "get", "train"),
    ("role", "train", "pods", "list", "train"),
]


@pytest.mark.parametrize(("kind", "role", "resource", "verb", "feature"), TAKEN)
def test_no_verb_of_a_role_can_be_spared(release, bearer, kind, role, resource, verb, feature):
    name = f"{release.namespace}-{release.service}-{role}" if kind == "clusterrole" else f"{release.service}-{role}"
    whole = release.get(kind, name)
    for rule in whole["rules"]:
        if resource in rule["resources"]:
            rule["verbs"] = [each for each in rule["verbs"] if each != verb] or ["none"]
    tries = {
        "predict": lambda: ask("POST", "/predict", bearer("predict"), APPLICANT),
        "load": lambda: ask("POST", LOAD, bearer("load"), {"parameters": {"version": "v2"}}),
        "train": lambda: ask("POST", "/train", bearer("train"), {}),
    }
    release.kubectl("patch", kind, name, "--type=merge", f"--patch={json.dumps({'rules': whole['rules']})}")
    try:
        time.sleep(1)
        failed = tries[feature]()
    finally:
        restore(release, kind, name, resource, verb)
        release.kubectl("delete", "jobs", "--all", "--wait=true")
    if role.startswith("may-"):
        assert failed.status_code == 403
    elif feature == "predict":
        assert (failed.status_code, "The cluster cannot check the token" in failed.text) == (503, True)
    else:
        assert (failed.status_code, f'cannot {verb} resource "{resource}"' in failed.json()["error"]) == (500, True)
    if feature == "predict":
        wait_for(lambda: tries[feature]().status_code == 200, 30, "the feature to be back")


def restore(release, kind, name, resource, verb):
    whole = release.get(kind, name)
    for rule in whole["rules"]:
        if resource in rule["resources"]:
            rule["verbs"] = [each for each in [*rule["verbs"], verb] if each != "none"]
    release.kubectl("patch", kind, name, "--type=merge", f"--patch={json.dumps({'rules': whole['rules']})}")


# What somebody who broke into a pod would like to do.
DENIED = [
    ("get", "secrets"),
    ("list", "secrets"),
    ("create", "pods"),
    ("create", "pods/exec"),
    ("get", "pods/log"),
    ("delete", "jobs"),
    ("patch", "cronjobs"),
    ("list", "cronjobs"),
    ("patch", "inferenceservices"),
    ("get", "configmaps"),
    ("create", "rolebindings"),
    ("create", "serviceaccounts/token"),
    ("create", "subjectaccessreviews.authorization.k8s.io"),
    ("impersonate", "users"),
    ("list", "nodes"),
    ("list", "namespaces"),
]
# The rollout's own work, which is to upgrade the release with Helm, takes these.
ROLLOUT = {
    *(("get", "secrets"), ("list", "secrets"), ("delete", "jobs"), ("patch", "inferenceservices")),
    ("get", "configmaps"),
}


@pytest.mark.parametrize("account", ["predictor", "training", "rollout"])
def test_what_is_not_given_is_denied(release, account):
    user = f"--as=system:serviceaccount:{release.namespace}:{release.service}-{account}"
    for verb, resource in DENIED:
        if account == "rollout" and (verb, resource) in ROLLOUT:
            continue
        answer = release.kubectl("auth", "can-i", verb, resource, user, check=False).strip()
        assert answer == "no", f"{account} may {verb} {resource}"
    for verb, resource in (("create", "jobs"), ("list", "pods"), ("get", "secrets")):
        elsewhere = kubectl("--namespace", "kube-system", "auth", "can-i", verb, resource, user, check=False).strip()
        assert elsewhere == "no", f"{account} may {verb} {resource} in kube-system"


def test_training_has_no_token_and_no_rights_at_all(release):
    user = f"--as=system:serviceaccount:{release.namespace}:{release.service}-training"
    listed = release.kubectl("auth", "can-i", "--list", "--no-headers", user)
    verbs = {line.split("[")[0].split()[0] for line in listed.splitlines() if line and not line.startswith(" ")}
    assert verbs <= {"selfsubjectreviews.authentication.k8s.io", "selfsubjectaccessreviews.authorization.k8s.io"} | {
        "selfsubjectrulesreviews.authorization.k8s.io"
    }
    template = release.get(f"cronjob/{release.service}-training")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert template["automountServiceAccountToken"] is False


def test_a_rollout_needs_its_role(release):
    """With one verb gone it ends before it has changed anything, and says which."""
    name = f"{release.service}-rollout"
    whole = release.get("role", name)
    kept = [rule for rule in whole["rules"] if "leases" not in rule["resources"]]
    release.kubectl("patch", "role", name, "--type=merge", f"--patch={json.dumps({'rules': kept})}")
    try:
        release.kubectl("create", "job", "no-lease", f"--from=cronjob/{name}")
        release.wait("job/no-lease", "condition=Failed", 90)
        said = release.kubectl("logs", "job/no-lease")
        assert "leases" in said, said
    finally:
        release.kubectl("patch", "role", name, "--type=merge", f"--patch={json.dumps({'rules': whole['rules']})}")


def test_api_keys_at_the_gateway(release, bearer):
    release.kubectl("create", "secret", "generic", "clients", "--from-literal=origination=a-long-key")
    release.upgrade("--set", "gateway.envoyGateway.apiKeys.secretName=clients", "--set", "access.predict=false")
    release.wait_until_rolled_out()
    wait_for(
        lambda: predict({"x-api-key": "a-long-key"}) == 200 and predict({}) == 401, 60, "the Gateway to ask for keys"
    )
    assert predict({"x-api-key": "another"}) == 401
    assert by_grpc([("x-api-key", "a-long-key")]) == "v2"
    assert by_grpc([]) == grpc.StatusCode.UNAUTHENTICATED


def test_jwt_at_the_gateway(release, tmp_path):
    key = rsa.generate_private_key(65537, 2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    values = tmp_path / "jwt.json"
    keys = json.dumps({"keys": [public | {"kid": "one", "alg": "RS256", "use": "sig"}]})
    policy = {
        "apiKeys": {"secretName": ""},
        "jwt": {"issuer": "https://idp.bank", "audiences": ["loans"], "jwks": keys},
    }
    values.write_text(json.dumps({"gateway": {"envoyGateway": policy}}))
    release.upgrade("--values", str(values))

    def token(**claims):
        issued = {"iss": "https://idp.bank", "aud": "loans", "sub": "ada", "exp": time.time() + 600} | claims
        return {"authorization": "Bearer " + jwt.encode(issued, key, "RS256", headers={"kid": "one"})}

    wait_for(lambda: predict(token()) == 200 and predict({}) == 401, 60, "the Gateway to ask for a JWT")
    for wrong in (token(iss="https://evil"), token(aud="other"), token(exp=time.time() - 600)):
        assert predict(wrong) in (401, 403)
    release.upgrade("--set", "gateway.envoyGateway.jwt.issuer=")
    wait_for(lambda: predict({}) == 200, 60, "the Gateway to ask no more")


def test_tls_from_a_secret_that_changes(release, tmp_path, figure):
    host = f"{release.service}-predictor.{release.namespace}.svc"
    first = write(tmp_path, "first", host)
    release.kubectl("create", "configmap", "authority", f"--from-file=ca.crt={first}")
    put_certificate(release, first)
    release.upgrade("--set", "tls.secretName=serving-tls", "--set", "tls.caConfigMap=authority")
    release.wait_until_rolled_out()
    wait_for(lambda: predict({}) == 200, 60, "a prediction over TLS")
    assert by_grpc([]) == "v2"
    release.helm("test", release.name)
    (pod,) = release.pods()
    with forwarded(release.namespace, f"pod/{pod}", 8080) as port:
        assert "first" in served(port)
        put_certificate(release, write(tmp_path, "second", host))
        seconds = wait_for(lambda: "second" in served(port), 150, "the new certificate")
    figure("renewed certificate served", f"{seconds:.0f} s after its Secret changed (the kubelet's share included)")
    assert release.pods() == [pod], "no restart"


def put_certificate(release, certificate):
    made = release.kubectl(
        *(
            "create",
            "secret",
            "tls",
            "serving-tls",
            f"--cert={certificate}",
            f"--key={certificate.with_name('tls.key')}",
        ),
        *("--dry-run=client", "--output=yaml"),
    )
    release.kubectl("apply", "--filename", "-", input=made)


def served(port):
    """The subject of the certificate that the server shows, as openssl prints it."""
    shown = run("openssl", "s_client", "-connect", f"127.0.0.1:{port}", stdin=subprocess.DEVNULL, check=False)
    return " ".join(line for line in shown.splitlines() if "subject" in line)
