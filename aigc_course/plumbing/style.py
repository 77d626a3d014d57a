"""The course's figure style, as data, so that matplotlib is not loaded for it; and fonts for Chinese."""

import functools
import re
from pathlib import Path
from typing import Any

from aigc_course.plumbing.console import say

DPI = 100
COLORS = ("#000000", "#a6261d", "#3b8bc4", "#e6ab2e")  # each lighter than the one before, for grey printers
LINES = ("-", "--", "-.", ":")
STYLE = {
    "figure.dpi": DPI,
    "figure.figsize": (6, 2.8),
    "figure.constrained_layout.use": True,
    "figure.hooks": [f"{__name__}:apply"],  # matplotlib calls it for each new figure
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": f"cycler(color={list(COLORS)}, linestyle={list(LINES)})",
    "lines.linewidth": 1.2,
    "legend.frameon": False,
}
CHINESE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
FONTS = (  # that have it, on Linux, Windows and macOS
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Zen Hei"),
    *("Microsoft YaHei", "SimHei", "PingFang SC", "Hiragino Sans GB", "Arial Unicode MS", "Droid Sans Fallback"),
)


def apply(figure: Any = None) -> None:
    """Set the course's figure style on matplotlib's own defaults, whatever the learner has set, before or since.

    `setup` does it where matplotlib is loaded; from then on matplotlib does it for each new figure.
    """
    from matplotlib.style import use

    use(["default", STYLE | {"font.family": ["DejaVu Sans", *chinese_font()[:1]]}])


@functools.cache
def chinese_font() -> tuple[str, ...]:
    """Name and file of an installed font with Chinese characters; () where there is none."""
    from matplotlib.font_manager import fontManager

    files = {font.name: font.fname for font in fontManager.ttflist}
    return next(((name, files[name]) for name in FONTS if name in files), ())


def warn_of_boxes(text: str) -> None:
    """Say, once, that the Chinese in `text` is drawn as boxes, where no installed font has it."""
    if CHINESE.search(text) and not chinese_font():
        _say_once("Chinese characters are drawn as boxes, because no font here has them: install Noto Sans CJK.")


_say_once = functools.cache(say)


def font(text: str, size: float) -> Any:
    """A font with which Pillow can draw `text`: its own for Latin letters, else DejaVu or an installed one."""
    import matplotlib
    from PIL import ImageFont

    warn_of_boxes(text)
    if CHINESE.search(text) and chinese_font():
        return ImageFont.truetype(chinese_font()[1], size)
    if text.isascii():
        return ImageFont.load_default(size)
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)
