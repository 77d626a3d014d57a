"""The course's figure style, as data, so that matplotlib is not loaded for it."""

DPI = 100
COLORS = ("#000000", "#a6261d", "#3b8bc4", "#e6ab2e")  # each lighter than the one before, for grey printers
LINES = ("-", "--", "-.", ":")
STYLE = {
    "figure.dpi": DPI,
    "figure.figsize": (6, 2.8),
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": f"cycler(color={list(COLORS)}, linestyle={list(LINES)})",
    "lines.linewidth": 1.2,
    "legend.frameon": False,
}


def apply() -> None:
    """Set the course's figure style; `setup` does it where matplotlib is loaded."""
    import matplotlib

    matplotlib.rcParams.update(STYLE)
