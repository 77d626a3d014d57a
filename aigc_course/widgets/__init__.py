"""Things to play with: sliders and pickers above a picture that is redrawn at once, and a still picture without them.

Works with ipywidgets 7.7 (Colab) and 8. Pictures are made with Pillow, not matplotlib: a redraw takes milliseconds.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw


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


def _control(name: str, spec: Any):
    import ipywidgets

    if isinstance(spec, list):
        return ipywidgets.ToggleButtons(
            options=spec, description=name, style={"button_width": "auto", "description_width": "initial"}
        )
    if isinstance(spec, tuple) and len(spec) in (3, 4):
        low, high, value = spec[:3]
        slider = ipywidgets.IntSlider if all(isinstance(v, int) for v in spec) else ipywidgets.FloatSlider
        step = spec[3] if len(spec) == 4 else (1 if slider is ipywidgets.IntSlider else (high - low) / 60)
        return slider(value, min=low, max=high, step=step, description=name, continuous_update=True)
    raise ValueError(f"{name} = {spec!r}: a control is (low, high, value[, step]) for a slider or a list for a picker")


def explore(draw: Callable[..., Any], *, alt: str, height: int = 280, smooth: bool = False, **controls: Any) -> Any:
    """Shows controls above the picture draw(**values), and redraws it when one moves. Returns the ipywidgets box.

    draw: takes the controls' values by name, returns a picture as `png` takes it, with height and smooth. alt: what the
    picture shows, for those who cannot see it. controls: (low, high, value[, step]) gives a slider, a list gives a
    picker. Where widgets cannot be shown (a page on GitHub, a print), the picture of the first values is shown instead.
    """
    import ipywidgets

    widgets = {name: _control(name, spec) for name, spec in controls.items()}

    def picture() -> bytes:
        return png(draw(**{name: w.value for name, w in widgets.items()}), height=height, smooth=smooth)

    image = ipywidgets.Image(value=picture(), format="png", layout={"height": f"{height}px", "object_fit": "contain"})
    for w in widgets.values():
        w.observe(lambda change: setattr(image, "value", picture()), "value")
    box = ipywidgets.VBox([*widgets.values(), image], layout={"align_items": "flex-start"})
    show(box, image.value, alt)
    return box


def show(box: Any, still: bytes, alt: str) -> None:
    """Displays a widget together with the still picture (PNG) that stands for it where widgets do not work."""
    from IPython.display import display

    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    data = {"text/plain": alt, "image/png": base64.b64encode(still).decode()}
    data["application/vnd.jupyter.widget-view+json"] = view  # front ends take the richest type that they know
    display(data, raw=True, metadata={"image/png": {"alt": alt}})


def latent_explorer(
    decode: Callable[[Any], Any], codes: Any, labels: Any, *, alt: str, names: Sequence[str] = ()
) -> Any:
    """Two sliders and a class picker over a two-dimensional latent space: the map of codes beside the decoded picture.

    decode: z (1, 2) float32 tensor to a picture (28, 28) in [0, 1]. codes: (N, 2); labels: (N,) integers from 0, drawn
    on the map, lighter and darker by class. names: of the classes. Picking a class moves the sliders to its mean code.
    Returns the ipywidgets box. Raises ValueError where codes are not (N, 2).
    """
    import ipywidgets
    import torch

    codes, labels = np.asarray(codes, dtype=np.float32), np.asarray(labels)
    if codes.ndim != 2 or codes.shape[1] != 2 or len(codes) != len(labels):
        raise ValueError(f"codes have shape {codes.shape} and labels {labels.shape}; expected (N, 2) and (N,)")
    size, reach = 280, 4.0
    n_classes = int(labels.max()) + 1
    names = list(names) or [str(c) for c in range(n_classes)]
    centres = np.stack([codes[labels == c].mean(0) if (labels == c).any() else np.zeros(2) for c in range(n_classes)])

    def at(z: Any) -> tuple[float, float]:  # latent coordinates to pixels of the map; the second axis points up
        return (z[0] + reach) / (2 * reach) * size, (reach - z[1]) / (2 * reach) * size

    chart = Image.new("RGB", (size, size), "white")
    pen = ImageDraw.Draw(chart)
    palette = [tuple(int(255 * v) for v in colour[:3]) for colour in _palette(n_classes)]
    for z, c in zip(codes, labels, strict=True):
        x, y = at(z)
        pen.ellipse((x - 1, y - 1, x + 1, y + 1), fill=palette[c])
    for z, c in zip(centres, names, strict=True):
        x, y = at(z)
        pen.text((x, y), c, fill="black", anchor="mm", font_size=18, stroke_width=3, stroke_fill="white")

    z1, z2 = (_control(name, (-reach, reach, 0.0, 0.1)) for name in ("z₁", "z₂"))
    picker = _control("class", [("free", -1), *((name, c) for c, name in enumerate(names))])
    image = ipywidgets.Image(format="png", layout={"height": f"{size}px", "object_fit": "contain"})

    def redraw(change: Any = None) -> None:
        with torch.no_grad():
            digit = Image.open(io.BytesIO(png(decode(torch.tensor([[z1.value, z2.value]])), height=size)))
        picture = Image.new("RGB", (2 * size + 10, size), "white")
        picture.paste(chart, (0, 0))
        picture.paste(digit, (size + 10, 0))
        x, y = at((z1.value, z2.value))
        ImageDraw.Draw(picture).ellipse((x - 6, y - 6, x + 6, y + 6), outline="black", width=3)
        image.value = png(np.asarray(picture), height=size)

    def jump(change: Any) -> None:
        if picker.value >= 0:
            z1.value, z2.value = (float(np.clip(v, -reach, reach)) for v in centres[picker.value])

    redraw()
    for slider in (z1, z2):
        slider.observe(redraw, "value")
    picker.observe(jump, "value")
    box = ipywidgets.VBox([picker, z1, z2, image], layout={"align_items": "flex-start"})
    box.redraw = redraw  # for timing it, and for tests
    show(box, image.value, alt)
    return box


def _palette(n: int) -> list[tuple[float, ...]]:
    from matplotlib import colormaps

    return [colormaps["viridis"](i / max(1, n - 1)) for i in range(n)]


def sampling_explorer(logits: Any, names: Sequence[str], *, alt: str, n_shown: int = 24) -> Any:
    """Sliders for temperature, top-k, top-p and min-p above the distribution of the next token, as bars.

    logits: (V,), of one next token. names: of the V tokens. Bars of the n_shown likeliest: an outline for
    softmax(logits), filled for what `text.filter_logits` leaves. Returns the ipywidgets box. ValueError where there are
    not V names.
    """
    import torch

    from aigc_course import text

    logits = torch.as_tensor(logits).detach().float().cpu()
    if logits.ndim != 1 or len(names) != len(logits):
        raise ValueError(
            f"logits have shape {tuple(logits.shape)} and there are {len(names)} names; expected (V,) and V"
        )
    V, order = len(logits), logits.argsort(descending=True)[:n_shown].tolist()
    plain = logits.softmax(0)

    def draw(temperature: float, top_k: int, top_p: float, min_p: float) -> np.ndarray:
        settings = {"top_k": top_k, "top_p": top_p, "min_p": min_p or None}
        p = text.filter_logits(logits, temperature=temperature, **settings).softmax(0)
        entropy = -(p[p > 0] * p[p > 0].log()).sum().item()
        return _bars(plain[order].tolist(), p[order].tolist(), [names[i] for i in order],
                     f"{int((p > 0).sum())} of {V} can be drawn, entropy {entropy:.2f} nats")  # fmt: skip

    return explore(
        draw,
        alt=alt,
        temperature=(0.0, 2.0, 1.0, 0.05),
        top_k=(1, V, V),
        top_p=(0.05, 1.0, 1.0, 0.05),
        min_p=(0.0, 0.5, 0.0, 0.01),
    )


def _bars(before: Sequence[float], after: Sequence[float], names: Sequence[str], title: str) -> np.ndarray:
    """A chart as (280, W, 3) uint8: outlines of probabilities before, filled bars after, a name below each."""
    step, left, top, bottom = 24, 40, 30, 250
    picture = Image.new("RGB", (left + step * len(names) + 10, 280), "white")
    pen = ImageDraw.Draw(picture)
    pen.text((left, 6), title, fill="black", font_size=14)
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - tick * (bottom - top)
        pen.line((left, y, picture.width - 10, y), fill="#dddddd")
        pen.text((left - 5, y), f"{tick:.2f}", fill="#555555", anchor="rm", font_size=11)
    for i, (b, a, name) in enumerate(zip(before, after, names, strict=True)):
        x = left + step * i + 4
        pen.rectangle((x, bottom - a * (bottom - top), x + step - 8, bottom), fill="#3b8bc4" if a else None)
        pen.rectangle((x, bottom - b * (bottom - top), x + step - 8, bottom), outline="black")
        pen.text((x + step / 2 - 4, bottom + 12), name, fill="black" if a else "#bbbbbb", anchor="mm", font_size=14)
    return np.asarray(picture)


def attention_viewer(
    maps: Any, tokens: Sequence[str], *, alt: str, layer: int = 1, head: int = 1, query: int | None = None
) -> Any:
    """Pickers for layer and head and a slider for the place that looks, above a map of attention and the tokens.

    maps: (layers, heads, T, T) weights in [0, 1], row t being what place t looks at; tokens: T short texts. Left the
    map, dark where the weight is high, with the row of the query marked; right the tokens in reading order, as dark as
    the query's weight on each, the query itself framed. layer, head (from 1) and query (from 0, default: the last) are
    those shown first. Returns the ipywidgets box. Raises ValueError where maps and tokens do not fit together.
    """
    import ipywidgets

    maps = np.asarray(maps.detach().float().cpu() if hasattr(maps, "detach") else maps, dtype=np.float32)
    if maps.ndim != 4 or maps.shape[2] != maps.shape[3] or maps.shape[3] != len(tokens):
        raise ValueError(f"maps have shape {maps.shape} for {len(tokens)} tokens; expected (layers, heads, T, T)")
    n_layers, n_heads, T = maps.shape[:3]
    query = T - 1 if query is None else query
    if not (1 <= layer <= n_layers and 1 <= head <= n_heads and 0 <= query < T):
        raise ValueError(f"there is no layer {layer}, head {head}, query {query} in maps of shape {maps.shape}")
    cell = max(3, 336 // T)  # pixels of a weight in the map
    longest = max(len(token) for token in tokens)
    box_width, box_height = max(30, 9 * longest + 12), 34
    n_cols = max(1, 336 // box_width)
    height = max(T * cell, -(-T // n_cols) * box_height) + 20
    controls = [_control("layer", list(range(1, n_layers + 1))), _control("head", list(range(1, n_heads + 1)))]
    controls += [_control("place that looks", (0, T - 1, query))]
    controls[0].value, controls[1].value = layer, head
    controls[2].style = {"description_width": "initial"}
    red = (166, 38, 29)

    def draw() -> bytes:
        n, h, t = (control.value for control in controls)
        weights = maps[n - 1, h - 1]
        picture = Image.new("RGB", (T * cell + 30 + n_cols * box_width, height), "white")
        pen = ImageDraw.Draw(picture)
        grey = (255 * (1 - weights.clip(0, 1))).round().astype(np.uint8).repeat(cell, axis=0).repeat(cell, axis=1)
        picture.paste(Image.fromarray(grey), (0, 18))
        pen.rectangle((0, 18, T * cell, 18 + T * cell), outline=(150, 150, 150))
        pen.rectangle((0, 17 + t * cell, T * cell, 18 + (t + 1) * cell), outline=red)
        pen.text((0, 0), f"map of layer {n}, head {h}", fill="black", font_size=12)
        pen.text((T * cell + 30, 0), f"place {t}, {tokens[t]!r}, looks at", fill="black", font_size=12)
        for s, token in enumerate(tokens):
            x, y = T * cell + 30 + s % n_cols * box_width, 18 + s // n_cols * box_height
            w = float(weights[t, s].clip(0, 1))
            shade = round(255 * (1 - w))
            frame, wide = (red, 3) if s == t else ((200, 200, 200), 1)
            pen.rectangle((x, y, x + box_width - 4, y + box_height - 4), fill=(shade,) * 3, outline=frame, width=wide)
            ink = "white" if w > 0.5 else "black"
            middle = x + (box_width - 4) / 2, y + (box_height - 4) / 2
            pen.text(middle, token, fill=ink, anchor="mm", font_size=14)
        return png(np.asarray(picture), height=height)

    image = ipywidgets.Image(value=draw(), format="png", layout={"height": f"{height}px", "object_fit": "contain"})
    for control in controls:
        control.observe(lambda change: setattr(image, "value", draw()), "value")
    box = ipywidgets.VBox([*controls, image], layout={"align_items": "flex-start"})
    show(box, image.value, alt)
    return box


def token_viewer(splitters: dict[str, Callable[[str], Sequence[bytes]]], text: str, *, alt: str) -> Any:
    """A line to type in and a picker of tokenizers, above the tokens of the text as coloured boxes.

    splitters: by name, what gives the tokens of a text as bytes. text: what stands in the line at first. A token that
    is no text of its own (a piece of a character) is shown as hexadecimal digits, a space as ␣ and a line break as ⏎.
    Returns the ipywidgets box. ValueError where there is no splitter.
    """
    import html

    import ipywidgets

    if not splitters:
        raise ValueError("token_viewer needs at least one tokenizer")
    colours = ("#cfe3f1", "#f6d5d1", "#f7e7b9", "#d9ead3", "#e4d9ee")
    line = ipywidgets.Text(value=text, description="text", layout={"width": "90%"})
    picker = _control("tokenizer", list(splitters))
    page = ipywidgets.HTML()

    def shown(token: bytes) -> str:
        try:
            return token.decode().replace(" ", "␣").replace("\n", "⏎")
        except UnicodeDecodeError:
            return token.hex(" ").upper()

    def redraw(change: Any = None) -> None:
        try:
            tokens = [shown(token) for token in splitters[picker.value](line.value)]
        except ValueError as error:  # of a tokenizer that does not know a character
            page.value = f"<i>{html.escape(str(error))}</i>"
            return
        style = "border:1px solid #999;border-radius:3px;margin:1px;padding:1px 3px;color:black;display:inline-block"
        boxes = (
            f'<span style="{style};background:{colours[i % len(colours)]}">{html.escape(token)}</span>'
            for i, token in enumerate(tokens)
        )
        n = len(line.value.encode())
        page.value = f"{len(tokens)} tokens, {len(line.value)} characters, {n} bytes<br>{''.join(boxes)}"

    redraw()
    line.observe(redraw, "value")
    picker.observe(redraw, "value")
    box = ipywidgets.VBox([line, picker, page])
    show(box, _token_boxes([shown(t) for t in next(iter(splitters.values()))(text)], colours), alt)
    return box


def _token_boxes(tokens: Sequence[str], colours: Sequence[str], width: int = 640) -> bytes:
    """The tokens as coloured boxes in lines, a PNG. The built-in font has Latin letters only."""
    from PIL import ImageFont

    font, step, places, x, y = ImageFont.load_default(15), 26, [], 4, 4
    for token in (token.replace("␣", "_").replace("⏎", "\\n") for token in tokens):
        wide = int(font.getlength(token)) + 10
        if x + wide > width:
            x, y = 4, y + step
        places.append((token, x, wide, y))
        x += wide + 3
    picture = Image.new("RGB", (width, y + step + 2), "white")
    pen = ImageDraw.Draw(picture)
    for i, (token, left, wide, top) in enumerate(places):
        pen.rectangle((left, top, left + wide, top + 21), fill=colours[i % len(colours)], outline="#999999")
        pen.text((left + wide / 2, top + 11), token, fill="black", anchor="mm", font=font)
    return png(np.asarray(picture), height=picture.height)
