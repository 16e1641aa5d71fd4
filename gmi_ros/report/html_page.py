"""One HTML file that is complete in itself: a template, styles, scripts and data put together."""

import base64
import html
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

_STYLES = ("page.css",)  # that all pages share
_SCRIPTS = ("solids.js", "grasp_viewer.js", "grasp_solids.js")
_MARK = re.compile(r"\{\{(\w+)\}\}")


def compose(template: str, styles: Sequence[str], scripts: Sequence[str], title: str, data: dict) -> bytes:
    """The page: no network, no other file. The names are of files beside this one; `styles` and `scripts` come
    after those that all pages share.

    The template says where {{title}}, {{style}}, {{scripts}} and {{data}} go; the scripts are one, in their order. What
    is in title or data is text there, whatever it is: it cannot end the element that it stands in, nor be a mark.
    """
    contents = {
        "title": html.escape(title),
        "style": "\n".join(map(_text, (*_STYLES, *styles))),
        "scripts": "\n".join(map(_text, (*_SCRIPTS, *scripts))),
        "data": json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
    }
    return _MARK.sub(lambda mark: contents[mark[1]], _text(template)).encode("utf-8", "replace")


def _text(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def packed(values, kind: str) -> str:
    """Numbers as the page's `unpack` reads them: base64 of a little-endian array of a NumPy kind such as "<f4"."""
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()


def image_uri(picture: Image.Image, kind: str, **options) -> str:
    """The picture in the page itself; kind: jpeg or png, options: of Pillow's writer."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return f"data:image/{kind};base64," + base64.b64encode(file.getvalue()).decode()
