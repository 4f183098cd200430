"""The numbers of models out of records: of order flow (docs/validation/flow_models.md), of slippage
(docs/validation/slippage.md)."""

from __future__ import annotations

from novation.data.model_files import read_model, write_model
from novation.research.calibrate.estimates import Estimate, Held
from novation.research.calibrate.flow import MODELS, FlowCalibration, calibrate_flow
from novation.research.calibrate.slippage import SlippageCalibration, calibrate_slippage
from novation.research.calibrate.slippage_table import write_rows

__all__ = [
    "MODELS",
    "Estimate",
    "FlowCalibration",
    "Held",
    "SlippageCalibration",
    "calibrate_flow",
    "calibrate_slippage",
    "read_model",
    "write_model",
    "write_rows",
]
