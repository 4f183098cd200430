"""What a run looks like: a page, a figure, a notebook's few lines."""

from __future__ import annotations

from novation.research.report.figures import figure
from novation.research.report.notebook import notebook_html
from novation.research.report.page import Section, overview, write_report

__all__ = ["Section", "figure", "notebook_html", "overview", "write_report"]
