"""Text of students as HTML in which nothing is live: no script, no form, no request.

Markdown is rendered first and the HTML is cleaned then, by nh3 (the Rust library ammonia, which
parses as browsers do). Cleaning the Markdown instead would miss what a renderer makes of it, e.g. a
reference link to `javascript:`, and would change what is only text, e.g. "<" in mathematics.
"""

from __future__ import annotations

import base64
import binascii
import html
import io
import re
from collections.abc import Mapping
from typing import Any

import nh3
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from PIL import Image
from pygments.token import STANDARD_TYPES

from pruninglab.grading.timer import OutOfTime, limited

Attachments = Mapping[str, Mapping[str, str]]  # name of a picture -> its type -> base64
SECONDS = 5  # for one text: some regular expressions of the renderer take hours on some texts
MAX_TAGS = 10_000  # cleaning takes time in the square of how deep tags are nested; this is 1 s
MAX_PICTURE = 3 * 2**20  # bytes, and
MAX_PIXELS = 20_000_000  # a photograph of a phone; a few kilobytes can unpack to far more
LINKS = re.compile(r"(https?://|mailto:)", flags=re.IGNORECASE)
# Pictures are inside of the page: one from elsewhere tells its server who reads what, and when.
PICTURE = re.compile(r"data:image/(png|jpeg);base64,([A-Za-z0-9+/=]+)")
# How an attached picture is written that somebody has made smaller.
PICTURE_TAG = re.compile(r"""<img\b[^<>]*?\bsrc=(["'])attachment:([^"'<>()\s]+)\1[^<>]*>""")
# What Markdown makes, and what the labs use. No `id`, `name` or `style` but the alignment of a
# table's cells: formgrader's own scripts and styles go by them.
TAGS = {
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "div", "blockquote", "pre", "hr", "br"),
    *("a", "code", "del", "em", "img", "s", "span", "strong", "sub", "sup"),
    *("ul", "ol", "li", "dl", "dt", "dd", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title"},
    "ol": {"start"},
    "td": {"style"},
    "th": {"style"},
}
HIGHLIGHTED = {"span": set(STANDARD_TYPES.values()) - {""}, "div": {"highlight"}}
BOXES = {"alert", "alert-info"}  # only the course itself draws boxes: the marking guide is one


def cleaned(text: str, boxes: bool = False) -> str:
    """Clean HTML of everything live.

    Args:
        text: HTML.
        boxes: whether Bootstrap's coloured boxes may stay.

    >>> cleaned('<p onclick="x()">1 &lt; 2 <a href="javascript:x()">y</a></p><script>x()</script>')
    '<p>1 &lt; 2 <a target="_blank" rel="noopener noreferrer">y</a></p>'
    """
    classes = HIGHLIGHTED | ({"div": HIGHLIGHTED["div"] | BOXES} if boxes else {})
    return nh3.clean(
        text,
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=harmless,
        allowed_classes=classes,
        set_tag_attribute_values={"a": {"target": "_blank"}},
        filter_style_properties={"text-align"},
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
    )


def harmless(tag: str, attribute: str, value: str) -> str | None:
    """Return the value of an attribute; None drops it.

    A link without a protocol would lead into the Jupyter server of whoever clicks it.
    """
    if attribute == "href":
        return value if LINKS.match(value.strip()) else None
    if attribute == "src":
        return value if is_picture(value) else None
    return value


def is_picture(url: str) -> bool:
    """Whether a URL is a PNG or JPEG of acceptable size, contained in itself."""
    found = PICTURE.fullmatch(url)
    if found is None or len(url) > MAX_PICTURE * 4 / 3 + 100:
        return False
    try:
        with Image.open(io.BytesIO(base64.b64decode(found[2], validate=True))) as image:
            small = image.width * image.height <= MAX_PIXELS
            return small and (image.format or "").lower() == found[1]
    except (binascii.Error, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False  # Pillow raises a SyntaxError for a broken PNG


def rendered(markdown: str, attachments: Attachments | None = None) -> str:
    """Render a student's Markdown as clean HTML; mathematics stays as it is, for MathJax.

    HTML in it is shown as text. Else a browser would take "if a<b and b>c" for a tag, and nobody
    would see these words.

    Args:
        markdown: the text.
        attachments: pictures of a notebook's cell, as nbformat stores them: name -> type -> base64.

    >>> rendered("so $a < b$, *see* [here](javascript:x())")
    '<p>so $a &lt; b$, <em>see</em> <a target="_blank" rel="noopener noreferrer">here</a></p>\\n'
    """
    markdown = PICTURE_TAG.sub(r"![\2](attachment:\2)", markdown)
    return cleaned(to_html(markdown, attachments or {}, escape=True))


def as_written(text: str) -> str:
    """Show a text letter by letter, as HTML."""
    return f"<pre>{html.escape(text)}</pre>"


def to_html(markdown: str, attachments: Attachments, escape: bool) -> str:
    """Render Markdown as nbconvert does; show it as it is written, should that take too long."""
    renderer = IPythonRenderer(
        escape=escape, attachments=plain_attachments(attachments), exclude_anchor_links=True
    )
    try:
        with limited(SECONDS):
            text = str(MarkdownWithMath(renderer=renderer).render(markdown))
    except (OutOfTime, Exception):  # whatever a text does to the renderer, somebody reads it
        return as_written(markdown)
    return text if text.count("<") <= MAX_TAGS else as_written(markdown)


def plain_attachments(attachments: object) -> dict[str, dict[str, str]]:
    """Keep those attachments of a cell that say they are PNG or JPEG, whatever else is there.

    >>> plain_attachments({"a.png": {"image/png": ["iVBO", "Rw=\\n"]}, "b": {"image/svg+xml": "<"}})
    {'a.png': {'image/png': 'iVBORw='}}
    """
    found = {}
    for name, kinds in attachments.items() if isinstance(attachments, Mapping) else ():
        for kind in ("image/png", "image/jpeg"):
            data = kinds.get(kind) if isinstance(kinds, Mapping) else None
            lines: list[Any] = data if isinstance(data, list) else [data]
            if isinstance(name, str) and all(isinstance(line, str) for line in lines):
                # editors break base64 into lines, and browsers then show no picture
                found[name] = {kind: re.sub(r"\s", "", "".join(lines))}
    return found


def stored(markdown: str, attachments: Attachments | None = None) -> str:
    """Make the inert HTML that a graded notebook holds in place of a student's Markdown.

    Nothing is left of it for a renderer to interpret, whichever shows the notebook: it is one HTML
    block, which ends at the first empty line, and so it has no line breaks of its own.

    >>> stored("a\\n\\n    b")
    '<div><p>a</p>&#10;<pre><code>b</code></pre>&#10;</div>'
    """
    return f"<div>{rendered(markdown, attachments)}</div>".replace("\n", "&#10;")


@pass_context
def markdown2html(context: Context, source: str) -> str:
    """Render Markdown as nbconvert's filter of this name does, and clean it (nbgrader_config.py).

    The second wall: it also cleans notebooks that were graded by an older version.
    """
    attachments = context.get("cell", {}).get("attachments", {})
    return cleaned(to_html(source, attachments, escape=False), boxes=True)
