"""What can go wrong in the domain. Each message is one sentence for the person who reads it."""


class ModelError(Exception):
    """Base of all errors that a user can cause and mend; the command line prints it and exits with 1."""


class DataError(ModelError):
    """A data file that cannot be trained on: what is wrong, in which row and column."""


class RegistryError(ModelError):
    """The registry cannot be opened, read or written."""


class RegistryNotFound(RegistryError):
    """There is no registry at that place."""


class VersionNotFound(RegistryError):
    """A version that the registry does not hold; the message names those that it does."""


class RegistryEmpty(VersionNotFound):
    """A version was to be chosen, and the registry holds none yet."""


class IntegrityError(RegistryError):
    """A file of a version that does not match the manifest; the message names the file."""


class NotSigned(IntegrityError):
    """A version without a signature, where only signed ones are taken."""


class KeyUnusable(ModelError):
    """A key file that cannot be used; the message names the file and never shows what is in it."""


class CompileError(ModelError):
    """A pipeline cannot be compiled, or is another model when it is: the message names the step or the rows."""


class PromotionRefused(ModelError):
    """A version that is not to be promoted, or a promotion without a reason."""


class GateFailed(PromotionRefused):
    """A version that failed the gate; it is promoted only by force."""


def first_line(error: Exception) -> str:
    """The first line of an error's message, without the full stop."""
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
