"""A backend of matplotlib whose `show` leaves figures for the kernel, which sends them when the cell ends."""

from matplotlib.backend_bases import FigureManagerBase as FigureManager  # noqa: F401
from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvas  # noqa: F401


def show(*_args, **_kwargs):
    pass
