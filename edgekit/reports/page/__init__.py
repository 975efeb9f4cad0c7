"""Reports to send round: one HTML file each."""

from edgekit.reports.page.blocks import Figure, Figures
from edgekit.reports.page.render import render

__all__ = ["Figure", "Figures", "render"]
