"""Things to play with: sliders, pickers and lines to type in above a picture that is redrawn at once.

Works with ipywidgets 7.7 (Colab) and 8. Pictures are made with Pillow, not matplotlib: a redraw takes milliseconds.
What only one page shows stands in its back room: `widgets.of("03_vae").latent_explorer(...)`.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from aigc_course.plumbing import rooms
from aigc_course.plumbing.console import clean, img
from aigc_course.plumbing.controls import control, png

RESTARTED = "<small>After a restart of the kernel, run all cells from the top: until then the picture stays.</small>"
FRONT_ENDS = (".jp-OutputArea", ".output_wrapper", ".cell_container", "#output-area")  # Lab, classic, VS Code, Colab
ALIVE = ", ".join(f"{outputs}:has(.widget-vbox)" for outputs in FRONT_ENDS)


def of(page: str) -> ModuleType:
    """The explorers of one page, from `chapters/<page>/explorer.py`; ValueError where it has none."""
    if (found := rooms.module(page, "explorer")) is None:
        pages = ", ".join(room.name for room in rooms.rooms() if (room / "explorer.py").is_file())
        raise ValueError(f"the page {page!r} has no explorer of its own; {pages} have one")
    return found


def explore(draw: Callable[..., Any], *, alt: str, height: int = 280, smooth: bool = False, **controls: Any) -> Any:
    """Shows controls above the picture draw(**values), and redraws it when one moves. Returns the ipywidgets box.

    draw: takes the controls' values by name, returns a picture as `png` takes it, with height and smooth, or HTML. alt:
    what it shows, for those who cannot see it. controls: (low, high, value[, step]) gives a slider, a list a picker, a
    text a line to type in. The box has the controls, the picture and a caption as children, and a method `redraw`.
    """
    import ipywidgets

    moving = {name: control(name, spec) for name, spec in controls.items()}
    page = ipywidgets.HTML()

    def redraw(change: Any = None) -> None:
        values = {name: clean(w.value) if isinstance(w.value, str) else w.value for name, w in moving.items()}
        drawn = draw(**values)
        page.value = clean(drawn) if isinstance(drawn, str) else img(png(drawn, height=height, smooth=smooth), alt)

    redraw()
    for widget in moving.values():
        widget.observe(redraw, "value")
    box = ipywidgets.VBox([*moving.values(), page, ipywidgets.HTML(RESTARTED)], layout={"align_items": "flex-start"})
    box.redraw = redraw
    show(box, page.value, alt)
    return box


def show(box: Any, still: str, alt: str) -> None:
    """Displays a widget, and the still picture (HTML) that stands for it where widgets do not work.

    Two outputs, because exports leave an empty place for a widget; where it is alive, the still picture hides.
    """
    from IPython.display import display

    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    words = "Controls to play with: run this page to move them."
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": words}, raw=True)
    hidden = f"<style>:is({ALIVE}) .aigc-still {{display: none}}</style>"
    display({"text/html": f'{hidden}<div class="aigc-still">{still}</div>', "text/plain": clean(alt)}, raw=True)
