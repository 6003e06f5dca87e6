"""What can go wrong in the domain. Each message is one sentence for the person who reads it."""

from collections.abc import Sequence


class ModelError(Exception):
    """Base of all errors that a user can cause and correct; the command line prints it and exits with 1."""


class DataError(ModelError):
    """A data file that cannot be trained on: what is wrong, in which row and column."""


class BadRows(DataError):
    """Rows that cannot be scored or trained on; `rows` are their indices, of the first of which the message speaks."""

    def __init__(self, sentence: str, rows: Sequence[int]) -> None:
        super().__init__(sentence)
        self.rows = rows


class RegistryError(ModelError):
    """The registry cannot be opened, read or written."""


class RegistryNotFound(RegistryError):
    """No registry was found at the location."""


class VersionNotFound(RegistryError):
    """A version that the registry does not have; the message names those that it has."""


class RegistryEmpty(VersionNotFound):
    """A version was to be chosen, but the registry has none yet."""


class IntegrityError(RegistryError):
    """A file of a version that does not match the manifest; the message names the file."""


class NotSigned(IntegrityError):
    """A version without a signature where only signed versions are accepted."""


class KeyUnusable(ModelError):
    """A key file that cannot be used; the message names the file and never shows its content."""


class RecordError(ModelError):
    """The record of decisions is not there, cannot be read, or does not allow what was asked."""


class CompileError(ModelError):
    """A pipeline cannot be compiled, or the compiled model differs from it: the message names the step or the rows."""


class PromotionRefused(ModelError):
    """A version that cannot be promoted, or a promotion without a reason."""


class GateFailed(PromotionRefused):
    """A version that failed the gate; it is promoted only with force."""


def first_line(error: Exception) -> str:
    """The first line of an error's message, without the full stop."""
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
