"""A year of a lender in minutes: the server's clock goes from month to month, and outcomes come three months late."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import yaml

from loan_model.synthetic import LOAN
from tests.e2e.cluster import CHART, Release, run, wait_for
from tests.e2e.gateway import client
from tests.tabular_model.monitoring.windows import applications, lower_credit_score

VALUES = Path(__file__).with_name("watched_year.yaml")
ID = "application_id"
DRIFT, LATE = 7, 3  # the first month of the drift, and how many months outcomes take
ROWS, REQUESTS = 1000, 2  # of a month
CLAIMS = ("records", "records-protected", "results", "clock")
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 100Mi}}}}}}
"""
FAKETIME = """
FROM python:3.11-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends libfaketime
RUN cp /usr/lib/*/faketime/libfaketime.so.1 /
"""


def changed(month: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """What becomes of a month's applications: from `DRIFT` on, a bureau scores the same applicants lower."""
    return lower_credit_score if month >= DRIFT else lambda frame: frame


class Year:
    """The year that ended with the last month, at a release that is not installed yet."""

    def __init__(self, release: Release, folder: Path) -> None:
        self.release = release
        self._folder = folder
        self._outcomes: dict[int, list[str]] = {}
        now = datetime.now(UTC)
        self._before = now.year * 12 + now.month - 14  # the month before the year, in months

    def middle(self, month: int) -> datetime:
        """The 15th of a month of the year, from 1 on."""
        year, rest = divmod(self._before + month, 12)
        return datetime(year, rest + 1, 15, tzinfo=UTC)

    def install(self) -> None:
        """A release that trains v1, which knows nothing of the drift; it serves nothing yet."""
        folder, release = self._folder, self.release
        (folder / "loan.yaml").write_text(msgspec.structs.replace(LOAN, id=ID).dump())
        library = folder / "libfaketime.so.1"
        run("docker", "build", "--tag", "faketime:e2e", "-", input=FAKETIME)
        container = run("docker", "create", "faketime:e2e").strip()
        run("docker", "cp", f"{container}:/{library.name}", str(library))
        run("docker", "rm", container)
        release.kubectl("create", "configmap", "faketime", f"--from-file={library}")
        release.kubectl("create", "configmap", "model", f"--from-file={folder / 'loan.yaml'}")
        release.kubectl("apply", "--filename", "-", input="---".join(CLAIM.format(name=name) for name in CLAIMS))
        self.give("outcomes", "outcomes.csv", "id,outcome,date\n")
        self.new_data(1)
        release.install("--values", str(VALUES))
        release.kubectl("apply", "--filename", "-", input=self._clock())

    def serve(self) -> None:
        """Once v1 is there, and the clock that a server starts by is set."""
        release = self.release
        release.wait("pod/clock", "condition=Ready")
        self.set_clock(1)
        release.wait(f"job/{release.service}-training-initial", "condition=Complete")
        release.upgrade("--set", "stable.version=v1")
        release.wait(f"inferenceservice/{release.service}", "condition=Ready")

    def new_data(self, month: int) -> None:
        """What trainings learn from: applications as they are in a month, and what became of them."""
        matrix, good = applications(10_000, 100 + month, changed(month))
        frame = pd.DataFrame(matrix, columns=LOAN.schema.names).round(2).assign(**{LOAN.target.name: good})
        self.give("applications", "applications.csv", frame.to_csv(index=False))

    def give(self, name: str, key: str, text: str) -> None:
        """A ConfigMap of a file, in place of an earlier one; too large for what `apply` keeps of it."""
        (self._folder / key).write_text(text)
        self.release.kubectl("delete", "configmap", name, "--ignore-not-found")
        self.release.kubectl("create", "configmap", name, f"--from-file={self._folder / key}")

    def set_clock(self, month: int, day: int = 0) -> None:
        """Servers then have the middle of a month, or so many days later, at this time of the day."""
        now = datetime.now(UTC)
        middle = self.middle(month).replace(hour=now.hour, minute=now.minute, second=now.second)
        offset = int((middle - now).total_seconds()) + day * 86_400
        write = f"echo {offset} > /clock/next && mv /clock/next /clock/time"
        self.release.kubectl("exec", "clock", "--", "sh", "-c", write)
        time.sleep(2.1)  # libfaketime looks at it once more than a whole second has passed, so within two

    def decide(self, month: int) -> None:
        """A month's applications through the Gateway, until they are in the record."""
        self.set_clock(month)
        written = self._written()
        matrix, good = applications(ROWS * REQUESTS, month, changed(month))
        names = [f"{month}-{row}" for row in range(len(matrix))]
        decisions = np.concatenate(
            [self._ask(matrix[k : k + ROWS], names[k : k + ROWS]) for k in range(0, len(matrix), ROWS)]
        )
        came = self.middle(month + LATE).date()
        self._outcomes[month] = [f"{names[row]},{good[row]},{came}" for row in np.flatnonzero(decisions)]
        wait_for(lambda: self._written() >= written + len(matrix), 30, "the month to be in the record")

    def watch(self, month: int) -> str:
        """The monitor's words, from a Job of its CronJob, with the outcomes that have come by then."""
        lines = [line for k in range(1, month - LATE + 1) for line in self._outcomes[k]]
        self.give("outcomes", "outcomes.csv", "\n".join(["id,outcome,date", *lines, ""]))
        job = f"watch-{month}"
        self.release.kubectl("create", "job", job, f"--from=cronjob/{self.release.service}-watch")
        self.release.wait(f"job/{job}", "condition=Complete", 90)
        return self.release.kubectl("logs", f"job/{job}")

    def rules(self) -> list[dict[str, Any]]:
        """The groups of the release's PrometheusRule."""
        values = self.release.helm("get", "values", self.release.name, "--output", "yaml")
        (self._folder / "values.yaml").write_text(values)
        words = ("--values", str(self._folder / "values.yaml"), "--set", "monitoring.prometheusRule.enabled=true")
        shown = ("--show-only", "templates/monitoring/prometheusrule.yaml")
        groups: list[dict[str, Any]] = yaml.safe_load(
            self.release.helm("template", self.release.name, CHART, *words, *shown)
        )["spec"]["groups"]
        return groups

    def events(self) -> dict[str, str]:
        """The message of the newest event of the InferenceService for each reason."""
        selector = f"involvedObject.kind=InferenceService,involvedObject.name={self.release.service}"
        items = self.release.get("events", "--field-selector", selector, "--sort-by=.metadata.creationTimestamp")
        return {each["reason"]: each["message"] for each in items["items"]}

    def bodies(self, month: int) -> list[bytes]:
        """Applications of one row each, as they are in a month; enough that few are sent twice."""
        matrix, _ = applications(4000, 50 + month, changed(month))
        return [json.dumps({"inputs": [_tensor(row[None])]}).encode() for row in matrix]

    def _ask(self, matrix: np.ndarray, names: list[str]) -> np.ndarray:
        ids = {"name": ID, "datatype": "BYTES", "shape": [len(names)], "data": names}
        with client() as http:
            answer = http.post("/v2/models/loan/infer", json={"inputs": [_tensor(matrix), ids]})
        outputs = {each["name"]: each["data"] for each in answer.raise_for_status().json()["outputs"]}
        return np.array(outputs["decision"])

    def _written(self) -> float:
        """Rows that servers have written to the record."""
        with client() as http:
            text = http.get("/metrics").text
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(WRITTEN))

    def _clock(self) -> str:
        """A pod that sets the clock, because a server's has nobody to type in it."""
        return CLOCK.format(image=self.release.server_image)


WRITTEN = 'loan_record_rows_total{result="written"}'
CLOCK = """
apiVersion: v1
kind: Pod
metadata: {{name: clock}}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  securityContext: {{runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
    - name: clock
      image: {image}
      command: [sleep, infinity]
      securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
      volumeMounts: [{{name: clock, mountPath: /clock}}]
  volumes: [{{name: clock, persistentVolumeClaim: {{claimName: clock}}}}]
"""


def _tensor(matrix: np.ndarray) -> dict[str, Any]:
    data = [None if np.isnan(value) else value for value in matrix.ravel().tolist()]
    return {"name": "x", "datatype": "FP64", "shape": list(matrix.shape), "data": data}
