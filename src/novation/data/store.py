"""Where the user's own data lies: the folder that `novation data download` fills and runs read."""

from __future__ import annotations

from novation.reference.user_store import store_path as store_path
