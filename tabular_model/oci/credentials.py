"""Who this is to a registry: what `docker login` or a Secret of docker's form says, and how a challenge is answered."""

import base64
import json
import os
import re
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from tabular_model.errors import RegistryError

_TOKEN_USER = "<token>"  # noqa: S105 - what a credential helper calls the user of a refresh token


class Credentials(NamedTuple):
    """A user with a password, or with a token that others are got for."""

    user: str
    secret: str
    refresh: bool = False

    @property
    def basic(self) -> str:
        """The value of the header Authorization."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()


def credentials(host: str) -> Credentials | None:
    """What docker's config.json (in DOCKER_CONFIG, else ~/.docker) has for a registry; RegistryError if unusable."""
    path = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_bytes())
        helper = config.get("credHelpers", {}).get(host) or config.get("credsStore")
        entry: dict[str, str] = next((each for key, each in config.get("auths", {}).items() if _host(key) == host), {})
        if entry.get("identitytoken"):
            return Credentials(_TOKEN_USER, entry["identitytoken"], refresh=True)
        if entry.get("auth"):
            user, _, secret = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
            return Credentials(user, secret)
        if entry.get("username"):
            return Credentials(entry["username"], entry["password"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise RegistryError(f"{path} cannot be read as docker's configuration: {type(error).__name__}.") from None
    return _from_helper(helper, host) if helper else None


def _host(key: str) -> str:
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _from_helper(name: str, host: str) -> Credentials | None:
    """None if the helper knows nothing of the registry."""
    command = [f"docker-credential-{name}", "get"]
    try:
        done = subprocess.run(command, input=host.encode(), capture_output=True, check=True, timeout=30)  # noqa: S603
        found = json.loads(done.stdout)
        return Credentials(found["Username"], found["Secret"], refresh=found["Username"] == _TOKEN_USER)
    except (subprocess.CalledProcessError, ValueError, KeyError, TypeError):
        return None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RegistryError(f"docker's configuration names {command[0]}, which does not run: {error}.") from None


class Auth(httpx2.Auth):
    """Answers the challenge of a registry, Basic or Bearer, and keeps the answer for the next requests."""

    requires_response_body = True

    def __init__(self, found: Credentials | None) -> None:
        self._credentials = found
        self._answer = ""

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """As httpx2 asks for it."""
        if self._answer:
            request.headers["Authorization"] = self._answer
        response = yield request
        if response.status_code != 401:
            return
        scheme, _, rest = response.headers.get("WWW-Authenticate", "").partition(" ")
        if scheme.lower() == "bearer":
            token = yield self._token_request(dict(re.findall(r'(\w+)="([^"]*)"', rest)))
            self._answer = _bearer(token)
        elif scheme.lower() == "basic" and self._credentials:
            self._answer = self._credentials.basic
        else:
            return
        request.headers["Authorization"] = self._answer
        yield request

    def _token_request(self, challenge: dict[str, str]) -> httpx2.Request:
        asked = {name: value for name, value in challenge.items() if name in ("service", "scope")}
        known = self._credentials
        if known and known.refresh:
            form = asked | {"grant_type": "refresh_token", "refresh_token": known.secret, "client_id": "loan-model"}
            return httpx2.Request("POST", challenge["realm"], data=form)
        headers = {"Authorization": known.basic} if known else {}
        return httpx2.Request("GET", challenge["realm"], params=asked, headers=headers)


def _bearer(answer: httpx2.Response) -> str:
    if answer.status_code != 200:
        raise RegistryError(f"The registry's {answer.url.host} gives no token: {answer.status_code}.")
    found: dict[str, Any] = answer.json()
    return f"Bearer {found.get('token') or found['access_token']}"
