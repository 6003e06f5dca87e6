"""Every decision into the record, without holding up a request.

A request leaves its arrays on a list. One thread looks at the list four times a second, and takes it if it is worth it
or a part is due: a thread that is woken by each request would want the interpreter just when the next one does, and one
that has thousands of rows would want it longer.
"""

import re
import secrets
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from model_server.metrics import Metrics
from model_server.settings import RecordSettings
from tabular_model.decisions.made import Decided, Made, Refused
from tabular_model.decisions.store import open_store
from tabular_model.decisions.writer import Writer
from tabular_model.errors import ModelError

if TYPE_CHECKING:
    from tabular_model.signing import Signer

log = structlog.get_logger(__name__)

TAKE_SECONDS = 0.25
TAKE_ROWS = 250  # fewer cost nearly as much
PART_ROWS = 50_000
WAITING_REQUESTS = 20_000  # on the list, about 1 kB each
WAITING_ROWS = 200_000  # on the list and in parts that the store has not taken yet, about 100 bytes each
STOP_SECONDS = 5.0


class DecisionLog:
    """Takes decisions from any thread, and writes them in one of its own.

    What cannot be written is tried again; when too much waits, what comes is dropped and counted.
    """

    def __init__(self, writer: Writer, metrics: Metrics, seconds: float, with_refused: bool) -> None:
        self._writer = writer
        self._metrics = metrics
        self._seconds = seconds
        self._with_refused = with_refused
        self._lock = threading.Lock()
        self._list: list[Made] = []
        self._listed = self._waiting = 0
        self._cut_at = time.monotonic()
        self._failing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
        self._thread.start()

    @classmethod
    def to(cls, settings: RecordSettings, metrics: Metrics, with_refused: bool) -> "DecisionLog":
        """To the places that the settings name.

        RegistryError if a folder cannot be made or a URL is none, KeyUnusable if the key cannot be read.
        """
        if settings.records_protected == settings.records:
            raise ModelError(
                "LOAN_RECORDS and LOAN_RECORDS_PROTECTED are the same place; the protected columns need one of their "
                "own, to which access can be restricted."
            )
        signer = _signer(settings.records_signing_key) if settings.records_signing_key else None
        beside = open_store(settings.records_protected, create=True) if settings.records_protected else None
        writer = Writer(open_store(settings.records, create=True), beside, process_name(), signer)
        return cls(writer, metrics, settings.records_seconds, with_refused)

    def offer(self, decided: Decided) -> None:
        """Never waits for the store."""
        self._put(decided)

    def refuse(self, refused: Refused) -> None:
        """The same for a request that got no decision, if such are to be recorded."""
        if self._with_refused:
            self._put(refused)

    def stop(self) -> None:
        """Writes what waits and closes the day, for a short time; what is left then is counted as failed."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            log.error("decisions are not recorded: the store did not take them in time", rows=self._waiting)
            self._metrics.recorded("failed", self._waiting)

    def _put(self, made: Made) -> None:
        rows = made.rows
        with self._lock:
            if self._waiting + rows <= WAITING_ROWS and len(self._list) < WAITING_REQUESTS:
                self._list.append(made)
                self._listed += rows
                self._waiting += rows
                return
        self._metrics.recorded("full", rows)

    def _run(self) -> None:
        while not self._stopping.wait(TAKE_SECONDS):
            if self._listed >= TAKE_ROWS or time.monotonic() - self._cut_at >= self._seconds:
                self._take()
            self._write()
        self._take()
        self._writer.close()
        self._write()
        self._done("failed", self._writer.unwritten)

    def _take(self) -> None:
        with self._lock:
            taken, self._list, self._listed = self._list, [], 0
        writer, now = self._writer, time.monotonic()
        try:
            writer.add(taken)
            writer.turn(datetime.now(UTC).date())
            if writer.buffered >= PART_ROWS or now - self._cut_at >= self._seconds:
                writer.cut()
                self._cut_at = now
        except Exception:  # a thread that ends would end the record
            log.exception("decisions are not recorded")
            self._done("failed", sum(made.rows for made in taken))

    def _write(self) -> None:
        try:
            for rows in self._writer.write():
                self._done("written", rows)
        except ModelError as error:
            if not self._failing:  # said once, not each second
                log.error("decisions are not recorded now, and wait", error=str(error))
            self._failing = True
        else:
            self._failing = False

    def _done(self, result: str, rows: int) -> None:
        if rows:
            with self._lock:
                self._waiting -= rows
            self._metrics.recorded(result, rows)


def _signer(key: Path) -> "Signer":
    from tabular_model.signing import Signer  # noqa: PLC0415 - who signs nothing loads no cryptography

    return Signer.read(key)


def process_name() -> str:
    """A name that no other process has, here or elsewhere: the host's, which is the pod's, and some digits."""
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:60]
    return f"{host or 'server'}-{secrets.token_hex(4)}"
