"""The numbers of a model of order flow (`domain.order_flow`), out of recorded flow: docs/validation/flow_models.md."""

from __future__ import annotations

from novation.research.calibrate.estimates import Estimate, Held
from novation.research.calibrate.flow import MODELS, FlowCalibration, calibrate_flow
from novation.research.calibrate.model_files import read_model, write_model

__all__ = ["MODELS", "Estimate", "FlowCalibration", "Held", "calibrate_flow", "read_model", "write_model"]
