"""Things to play with: sliders, pickers and lines to type in above a picture that is redrawn at once.

Works with ipywidgets 7.7 (Colab) and 8. Pictures are made with Pillow, not matplotlib: a redraw takes milliseconds.
What only one page shows stands in its back room: `widgets.of("03_vae").latent_explorer(...)`.
"""

import io
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from aigc_course.plumbing import rooms
from aigc_course.plumbing.console import clean, img

RESTARTED = "<small>After a restart of the kernel, run this cell again: until then the picture does not follow.</small>"
FRONT_ENDS = (".jp-OutputArea", ".output_wrapper", ".cell_container", "#output-area")  # Lab, classic, VS Code, Colab
ALIVE = ", ".join(f"{outputs}:has(.widget-vbox)" for outputs in FRONT_ENDS)


def of(page: str) -> ModuleType:
    """The explorers of one page, from `chapters/<page>/explorer.py`; ValueError where it has none."""
    if (found := rooms.module(page, "explorer")) is None:
        pages = ", ".join(room.name for room in rooms.rooms() if (room / "explorer.py").is_file())
        raise ValueError(f"the page {page!r} has no explorer of its own; {pages} have one")
    return found


def png(picture: Any, *, height: int = 280, smooth: bool = False) -> bytes:
    """PNG of a grey (H, W) or colour (H, W, 3) array, scaled to height pixels; smooth: between pixels, too.

    Floats are in [0, 1] and are clipped to it, uint8 in 0..255; other types and shapes raise ValueError.
    """
    a = np.asarray(picture.detach().float().cpu() if hasattr(picture, "detach") else picture)
    if a.ndim not in (2, 3) or (a.ndim == 3 and a.shape[2] != 3):
        raise ValueError(f"a picture is (H, W) or (H, W, 3), this has shape {a.shape}")
    if a.dtype != np.uint8:
        if not np.issubdtype(a.dtype, np.floating):
            raise ValueError(f"a picture is floats in [0, 1] or uint8, this is {a.dtype}")
        a = (a.clip(0, 1) * 255).round().astype(np.uint8)
    image = Image.fromarray(a)
    if image.height != height:
        how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
        image = image.resize((round(image.width * height / image.height), height), how)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _control(name: str, spec: Any) -> Any:
    import ipywidgets

    look = {"description": name, "style": {"description_width": "initial"}}  # else long names are cut
    if isinstance(spec, str):
        return ipywidgets.Text(clean(spec), layout={"width": "90%"}, **look)
    if isinstance(spec, list) and len(spec) > 1:
        look["style"]["button_width"] = "auto"
        return ipywidgets.ToggleButtons(options=spec, **look)
    if isinstance(spec, tuple) and len(spec) in (3, 4) and spec[0] < spec[1]:
        low, high, value = spec[:3]
        slider = ipywidgets.IntSlider if all(isinstance(v, int) for v in spec) else ipywidgets.FloatSlider
        step = spec[3] if len(spec) == 4 else (1 if slider is ipywidgets.IntSlider else (high - low) / 60)
        return slider(value, min=low, max=high, step=step, layout={"width": "32em", "max_width": "100%"}, **look)
    a_control = "a control is (low, high, value[, step]) for a slider, a list of two or more for a picker, or a text"
    raise ValueError(f"{name} = {spec!r} cannot be moved: {a_control}")


def explore(draw: Callable[..., Any], *, alt: str, height: int = 280, smooth: bool = False, **controls: Any) -> Any:
    """Shows controls above the picture draw(**values), and redraws it when one moves. Returns the ipywidgets box.

    draw: takes the controls' values by name, returns a picture as `png` takes it, with height and smooth, or HTML. alt:
    what it shows, for those who cannot see it. controls: (low, high, value[, step]) gives a slider, a list a picker, a
    text a line to type in. The box has the controls, the picture and a caption as children, and a method `redraw`.
    """
    import ipywidgets

    moving = {name: _control(name, spec) for name, spec in controls.items()}
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
