"""Is it like the real thing? Measurements of the exchange against records of real ones.

`ghost`: orders of a record sent again as ours (docs/validation/ghost_orders.md). `book_model`, `market_making`:
published models on the exchange's book (docs/validation/book_models.md).
"""

from __future__ import annotations

from novation.data.flow import read_orders
from novation.research.validate.ghost import Ghost, GhostReport, Score, ghost

__all__ = ["Ghost", "GhostReport", "Score", "ghost", "read_orders"]
