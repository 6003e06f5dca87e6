"""One worker's process: `python -m model_server.workers.worker FD` with the settings as JSON on standard input.

`FD` is its end of the channel to the group.
"""

import socket
import sys

from model_server import logs
from model_server.server import LoanModelServer
from model_server.settings import ServerSettings
from model_server.workers.membership import Membership
from tabular_model.errors import ModelError


def main() -> None:
    """Serves until SIGTERM, or until the group ends; exits with a sentence when it cannot start."""
    logs.configure()
    settings = ServerSettings.model_validate_json(sys.stdin.buffer.read())
    try:
        LoanModelServer(settings, Membership(socket.socket(fileno=int(sys.argv[1])))).run()
    except ModelError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
