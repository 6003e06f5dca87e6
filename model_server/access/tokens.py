"""A file of tokens and their rights, for a server on one machine. It contains the tokens' sha256, never a token.

A token is 256 random bits, so that its plain sha256 tells as little of it as a slow hash would.
"""

import secrets
from pathlib import Path

import msgspec
import structlog

from model_server.access import Decision, Right
from tabular_model.errors import ModelError
from tabular_model.manifest import sha256

log = structlog.get_logger(__name__)

NOBODY = Decision("", allowed=False)


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose token it is, the token's sha256 in hexadecimal, and the rights that it gives."""

    name: str
    sha256: str
    may: tuple[Right, ...]


class Tokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the file."""

    tokens: tuple[Token, ...] = ()


class TokensFile:
    """Decides by the current file: a change applies from the next request on; without the file nobody has a right."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._known: dict[str, Token] = {}

    def recall(self, token: str, right: Right) -> Decision:
        """By the file as it is now; `NOBODY` for a token that is not in it."""
        known = self._current().get(sha256(token.encode()))
        return Decision(known.name, right in known.may) if known else NOBODY

    decide = recall

    def advice(self, right: Right) -> str:
        """Which command, on the server's machine, makes a token with the right."""
        return f"on the server's machine, `loan tokens add NAME --may {right}` creates one with this right"

    def _current(self) -> dict[str, Token]:
        seen = _stamp(self._path)
        if seen != self._seen:
            try:
                self._known = {each.sha256: each for each in read(self._path).tokens}
            except ModelError as error:
                log.error("no tokens file, so no right that requires a token is granted", error=str(error))
                self._known = {}
            self._seen = seen
        return self._known


def add(path: Path, name: str, may: tuple[Right, ...]) -> str:
    """A new token with these rights, to be given to its owner: it is written nowhere."""
    tokens = read(path).tokens
    if any(each.name == name for each in tokens):
        raise ModelError(f"{path} already has a token for {name}; `loan tokens remove {name}` removes it.")
    token = secrets.token_urlsafe(32)
    _write(path, (*tokens, Token(name, sha256(token.encode()), may)))
    return token


def remove(path: Path, name: str) -> None:
    """Takes the token of `name` out of the file; ModelError, which says whose tokens it has, if there is none."""
    tokens = read(path).tokens
    left = tuple(each for each in tokens if each.name != name)
    if left == tokens:
        names = ", ".join(each.name for each in tokens) or "nobody"
        raise ModelError(f"{path} has no token for {name}; it has tokens for {names}.")
    _write(path, left)


def read(path: Path) -> Tokens:
    """The content of the file, empty if the file does not exist; ModelError if it is not a tokens file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Tokens)
    except FileNotFoundError:
        return Tokens()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"The tokens file {path} cannot be read: {error}.") from None


def _write(path: Path, tokens: tuple[Token, ...]) -> None:
    """Puts the whole new file in the old one's place, so that no server reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    new.touch(0o600, exist_ok=False)
    new.write_bytes(msgspec.json.format(msgspec.json.encode(Tokens(tokens)), indent=2))
    new.replace(path)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
