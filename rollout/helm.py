"""helm as a command, and how its failures are told."""

import subprocess

from rollout.errors import ClusterError, Refused

TIMEOUT_SECONDS = 120


def helm(*words: str) -> str:
    """What helm prints; Refused where there is no helm, ClusterError with helm's words where it fails."""
    # A session of its own: Ctrl-C ends the rollout between upgrades and not within one.
    try:
        done = subprocess.run(  # noqa: S603
            ["helm", *words],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise Refused("A rollout needs helm, which was not found on the PATH.") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"helm {words[0]} did not end within {TIMEOUT_SECONDS} s.") from error
    if done.returncode:
        raise ClusterError(f"helm {words[0]} failed: {done.stderr.strip().removeprefix('Error: ')}")
    return done.stdout
