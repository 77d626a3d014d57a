"""What only the page of attention shows: maps of attention, head by head."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from aigc_course import widgets
from aigc_course.plumbing import style

RED = (166, 38, 29)


def attention_viewer(
    maps: Any, tokens: Sequence[str], *, alt: str, layer: int = 1, head: int = 1, query: int | None = None
) -> Any:
    """Sliders for layer, head and the place that looks, above a map of attention and the tokens.

    maps: (layers, heads, T, T) weights in [0, 1], row t being what place t looks at; tokens: T short texts. Left the
    map, dark where the weight is high, with the row of the query marked; right the tokens in reading order, as dark as
    the query's weight on each, the query itself framed. layer, head (from 1) and query (from 0, default: the last) are
    those shown first. Returns the ipywidgets box. Raises ValueError where maps and tokens do not fit together.
    """
    maps = np.asarray(maps.detach().float().cpu() if hasattr(maps, "detach") else maps, dtype=np.float32)
    if maps.ndim != 4 or maps.shape[2] != maps.shape[3] or maps.shape[3] != len(tokens):
        raise ValueError(f"maps have shape {maps.shape} for {len(tokens)} tokens; expected (layers, heads, T, T)")
    n_layers, n_heads, T = maps.shape[:3]
    query = T - 1 if query is None else query
    if not (1 <= layer <= n_layers and 1 <= head <= n_heads and 0 <= query < T):
        raise ValueError(f"there is no layer {layer}, head {head}, query {query} in maps of shape {maps.shape}")
    cell = max(3, 336 // T)  # pixels of a weight in the map
    box_width, box_height = max(30, 9 * max(len(token) for token in tokens) + 12), 34
    n_cols = max(1, 336 // box_width)
    height = max(T * cell, -(-T // n_cols) * box_height) + 20

    def draw(layer: int = layer, head: int = head, place: int = query) -> np.ndarray:
        weights = maps[layer - 1, head - 1].clip(0, 1)
        picture = Image.new("RGB", (T * cell + 30 + n_cols * box_width, height), "white")
        pen = ImageDraw.Draw(picture)
        grey = (255 * (1 - weights)).round().astype(np.uint8).repeat(cell, axis=0).repeat(cell, axis=1)
        picture.paste(Image.fromarray(grey), (0, 18))
        pen.rectangle((0, 18, T * cell, 18 + T * cell), outline=(150, 150, 150))
        pen.rectangle((0, 17 + place * cell, T * cell, 18 + (place + 1) * cell), outline=RED)
        said = f"place {place}, {tokens[place]!r}, looks at"
        pen.text((0, 0), f"map of layer {layer}, head {head}", fill="black", font_size=12)
        pen.text((T * cell + 30, 0), said, "black", style.font(said, 12))
        for s, token in enumerate(tokens):
            x, y = T * cell + 30 + s % n_cols * box_width, 18 + s // n_cols * box_height
            w = float(weights[place, s])
            frame, wide = (RED, 3) if s == place else ((200, 200, 200), 1)
            corners = (x, y, x + box_width - 4, y + box_height - 4)
            pen.rectangle(corners, fill=(round(255 * (1 - w)),) * 3, outline=frame, width=wide)
            middle, ink = (x + (box_width - 4) / 2, y + (box_height - 4) / 2), "white" if w > 0.5 else "black"
            pen.text(middle, token, ink, style.font(token, 14), anchor="mm")
        return np.asarray(picture)

    sliders = {"layer": (1, n_layers, layer), "head": (1, n_heads, head), "place": (0, T - 1, query)}
    movable = {name: spec for name, spec in sliders.items() if spec[0] < spec[1]}
    return widgets.explore(draw, alt=alt, height=height, **movable)
