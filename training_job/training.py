"""What to train."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import loan_model
from tabular_model.declaration import Declaration
from tabular_model.estimators import FAMILIES, Family
from tabular_model.estimators.own_pipeline import OwnPipeline
from tabular_model.manifest import Data
from tabular_model.parameters import OWN, PARAMETERS, Parameters, parse
from training_job.own_code import own_pipeline


def _shipped() -> Declaration:
    return Declaration.read(loan_model.DECLARATION)


@dataclass(frozen=True, kw_only=True)
class Training:
    """What to train: `run` names it, so that a repeated one does not publish twice.

    `algorithm` and `parameters` go before the declaration's own; `holdout` is the share of rows kept for evaluation;
    `threshold` None means that one is chosen. `folder` is where the declaration's file stands, for a pipeline of its
    own; `search` is how many settings to try of the parameters that are not given. `commit` of the source and `job` of
    the cluster say what ran.
    """

    data: str
    declaration: Declaration = field(default_factory=_shipped)
    algorithm: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    folder: Path | None = None
    search: int = 0
    use_protected: tuple[str, ...] = ()
    threshold: float | None = None
    holdout: float = 0.25
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    commit: str = ""
    job: str = ""

    @property
    def asked(self) -> str:
        """The algorithm to train, or `auto`."""
        return self.algorithm or self._declared

    @cached_property
    def own(self) -> OwnPipeline | None:
        """The pipeline that the declaration names, or that is beside it."""
        return own_pipeline(self.declaration, self.folder)

    def described(self, source: str, rows: int, sha256: str) -> Data:
        """The data as the manifest tells of them."""
        declared = self.declaration
        return Data(
            source=source,
            rows=rows,
            sha256=sha256,
            holdout=self.holdout,
            group=declared.group,
            time=declared.time,
        )

    @property
    def _declared(self) -> str:
        return OWN if self.own else self.declaration.algorithm

    @property
    def given(self) -> dict[str, Any]:
        """The parameters that were given, here or by the declaration."""
        # What was declared for one algorithm says nothing of another that is asked for in its place.
        declared = self.declaration.parameters if self.asked == self._declared else {}
        return {**declared, **self.parameters}

    def candidates(self) -> dict[str, tuple[Family, Parameters]]:
        """The algorithms to compare, each with its parameters; ModelError for ones that there are not."""
        own = {OWN: self.own.parameters()} if self.asked == OWN and self.own else {}
        parsed = parse(self.asked, self.given, PARAMETERS | own)
        families: dict[str, Family] = FAMILIES | ({OWN: self.own} if self.own else {})
        return {name: (families[name], parameters) for name, parameters in parsed.items()}
