"""`novation audit`: trades of any source under the exchange's rules.

`market` is what is known of a symbol, `replay` the trades carried out again, `played` what becomes of each, `findings`
what is found about one, `result` the answer, `run` the verb.
"""

from novation.research.audit.result import Audit, AuditedTrade, LiquidationFound, Totals
from novation.research.audit.run import audit

__all__ = ["Audit", "AuditedTrade", "LiquidationFound", "Totals", "audit"]
