"""Other programs: what a release runs, what it asks, and what it says of them."""

import os
import subprocess
import sys


def run(*command: str, **environment: str) -> None:
    """Ends the release with the command's own words where it fails."""
    try:
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        sys.exit(f"{command[0]} is not on the PATH.")
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{(done.stderr or done.stdout).strip()}")


def output(*command: str) -> str:
    """What the command prints, without the last line break; nothing where it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return "" if done.returncode else done.stdout.strip()


def say(sentence: str) -> None:
    print(f"release: {sentence}", file=sys.stderr)
