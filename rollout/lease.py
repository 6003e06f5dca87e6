"""One rollout at a time: a Lease that is renewed while it runs, and ends by itself when it dies."""

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any

import tenacity
from kubernetes import client
from urllib3.exceptions import HTTPError

from rollout.errors import Refused

SECONDS = 15


class Lease:
    """Held within `with`; Refused while another holds it. `lost` says so when it could not be renewed in time."""

    def __init__(self, name: str, namespace: str, holder: str, api: Any, patience: float = 0) -> None:
        """Waits up to `patience` seconds for another holder to end."""
        self._name = name
        self._namespace = namespace
        self._holder = holder
        self._api = api
        self._patience = patience
        self._over = threading.Event()
        self.lost = ""
        self._renewer = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> "Lease":
        tenacity.Retrying(
            stop=tenacity.stop_after_delay(self._patience),
            wait=tenacity.wait_fixed(1),
            retry=tenacity.retry_if_exception_type(Refused),
            reraise=True,
        )(self._take)
        self._renewer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._renewer.join()
        if not self.lost:
            with suppress(client.ApiException, HTTPError, Refused):  # it ends by itself, and the rollout's end matters
                if self._is_held(lease := self._read()):
                    self._write(lease, holder=None)

    def _take(self) -> None:
        lease = self._read()
        if lease is None:
            self._create()
            return
        left = _seconds_left(lease)
        if lease.spec.holder_identity and left > 0:
            raise Refused(
                f"Another rollout is running, by {lease.spec.holder_identity}. "
                f"If it was killed, its lease {self._name} ends in {left:.0f} s; then retry."
            )
        self._write(lease, self._holder)

    def _create(self) -> None:
        spec = {"holderIdentity": self._holder, "leaseDurationSeconds": SECONDS, "renewTime": _now()}
        body = {"metadata": {"name": self._name}, "spec": spec}
        try:
            self._api.create_namespaced_lease(self._namespace, body)
        except client.ApiException as error:
            raise self._lost_race(error) from error

    def _write(self, lease: Any, holder: str | None) -> None:
        """With the resourceVersion that was read, so that of two at once one is refused."""
        lease.spec.holder_identity = holder
        lease.spec.lease_duration_seconds = SECONDS
        lease.spec.renew_time = datetime.now(UTC)
        try:
            self._api.replace_namespaced_lease(self._name, self._namespace, lease)
        except client.ApiException as error:
            raise self._lost_race(error) from error

    def _read(self) -> Any:
        try:
            return self._api.read_namespaced_lease(self._name, self._namespace)
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise

    def _renew(self) -> None:
        until = datetime.now(UTC) + timedelta(seconds=SECONDS)
        while not self._over.wait(SECONDS / 3):
            try:
                lease = self._read()
                if not self._is_held(lease):
                    break
                self._write(lease, self._holder)
                until = datetime.now(UTC) + timedelta(seconds=SECONDS)
            except Exception:  # whatever keeps it from renewing: it holds until the time is up
                if datetime.now(UTC) > until:
                    break
        else:
            return
        self.lost = "Its lease was lost"

    def _is_held(self, lease: Any) -> bool:
        return lease is not None and lease.spec.holder_identity == self._holder

    def _lost_race(self, error: client.ApiException) -> Exception:
        if error.status == 409:
            return Refused(f"Another rollout has just acquired the lease {self._name}.")
        return error


def _seconds_left(lease: Any) -> float:
    if lease.spec.renew_time is None:
        return 0
    end = lease.spec.renew_time + timedelta(seconds=lease.spec.lease_duration_seconds or SECONDS)
    return float((end - datetime.now(UTC)).total_seconds())


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
