"""Where the user's own data lies: the folder that `novation data download` fills and runs read."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def store_path(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """The user's store: NOVATION_STORE, else `novation/data` in the platform's folder for user data.

    >>> store_path({"NOVATION_STORE": "/data/novation"}).as_posix()
    '/data/novation'
    """
    env = os.environ if environ is None else environ
    if env.get("NOVATION_STORE"):
        return Path(env["NOVATION_STORE"]).expanduser()
    home = Path(env.get("HOME") or Path.home())
    if platform == "darwin":
        base = home / "Library" / "Application Support"
    elif platform == "win32":
        base = Path(env.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = Path(env.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "novation" / "data"
