"""What a student writes runs nowhere: not in pages, not in links, not in spreadsheets."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook
from traitlets.config import PyFileConfigLoader

from pruninglab.grading import safe_html
from pruninglab.grading.gradebook import feedback, moodle
from pruninglab.grading.gradebook.marks import Mark
from pruninglab.grading.intake.owners import cleaned
from tests.helpers import payloads
from tests.helpers.payloads import picture

ROOT = Path(__file__).parents[2]
ALLOWED = {"http", "https", "mailto"}
LIVE = {"script", "style", "iframe", "object", "embed", "form", "input", "button", "svg", "math",
        "base", "meta", "link", "template", "textarea", "select", "video", "audio"}  # fmt: skip


class Seen(HTMLParser):
    """What a page has in it: tags, attributes, and where it leads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.urls, self.styles, self.classes = (
            set(),
            set(),
            [],
            set(),
            set(),
        )
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.styles |= {value for name, value in attrs if name == "style"}
        self.classes |= {word for name, value in attrs if name == "class" for word in value.split()}
        self.urls += [(tag, value or "") for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data):
        self.text += data


def again(source: str) -> str:
    """What nbconvert makes of a stored cell: it takes it for Markdown once more."""
    environment = jinja2.Environment()
    environment.filters["markdown2html"] = safe_html.markdown2html
    return environment.from_string("{{ source | markdown2html }}").render(source=source)


def assert_inert(page: str) -> None:
    seen = Seen(page)
    assert not seen.tags & LIVE
    assert not [name for name in seen.attributes if name.startswith("on")]
    assert seen.attributes <= {
        *("href", "src", "alt", "title", "rel", "target", "class", "style", "start")
    }
    for tag, url in seen.urls:
        own = tag == "img" and url.startswith(("data:image/png;base64,", "data:image/jpeg;base64,"))
        assert own or (tag == "a" and url.partition(":")[0].lower() in ALLOWED), url
    assert all(re.fullmatch(r"text-align: ?(left|center|right);?", s) for s in seen.styles)
    assert not seen.classes & {"nbgrader_cell", "score"}


def test_there_are_many_payloads():
    assert len(set(payloads.TEXTS)) >= 60
    assert len({*payloads.TEXTS, *payloads.IDS, *payloads.FORMULAS}) >= 100


@pytest.mark.parametrize("text", payloads.TEXTS)
def test_nothing_is_live_in_what_is_rendered_stored_and_rendered_again(text):
    assert_inert(safe_html.rendered(text))
    stored = safe_html.stored(text)
    assert "\n" not in stored
    assert_inert(stored)
    assert_inert(again(stored))
    assert_inert(again(text))  # a notebook that an older version has stored
    assert_inert(feedback.explained(f"✘ {text}\nLikely: {text}"))
    assert not Seen(stored).classes & {
        "alert",
        "alert-info",
    }  # only the course draws the guide's box


@pytest.mark.parametrize("parts", [payloads.TEXTS[i::7] for i in range(7)])
def test_payloads_do_not_help_each_other(parts):
    for joint in ("\n\n", "\n", "", " "):
        assert_inert(again(safe_html.stored(joint.join(parts))))


@pytest.mark.parametrize(
    "text",
    [
        "so $a < b$ and $c > d$",
        "$$\n\\sum_{i<n} w_i^2 < 1 \\& x\n$$",
        "if a<b and b>c: 1 < 2",
        "\\begin{align}a &< b\\\\ c &> d\\end{align}",
        "*emphasis* of $x_1 * y_1 * z$",
    ],
)
def test_mathematics_and_comparisons_survive(text):
    """MathJax, and the reader, get the text of the page: just what was written."""
    shown = Seen(again(safe_html.stored(text))).text
    for part in re.findall(r"\$+[^$]+\$+|\\begin.*\\end\{align\}|a<b and b>c: 1 < 2", text):
        assert part in shown


def test_tables_lists_and_code_are_rendered():
    text = "| a | b |\n|:-:|--:|\n| 1 | `x < y` |\n\n3. one\n4. two\n\n"
    text += "```python\n\nx = 1\n\n\ny = 2\n```"
    seen = Seen(again(safe_html.stored(text)))
    assert {"table", "th", "td", "ol", "li", "pre", "code"} <= seen.tags
    assert "x < y" in seen.text
    assert re.search(r"x = 1\n\n\ny = 2", seen.text)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_attached_pictures_are_shown(kind):
    mime = f"image/{kind.lower()}"
    lines = [picture(kind)[i : i + 76] + "\n" for i in range(0, len(picture(kind)), 76)]
    attachments = safe_html.plain_attachments({"ab.png": {mime: lines}})
    stored = safe_html.stored("<img src='attachment:ab.png' width=9>", attachments)
    stored += safe_html.stored("![mine](attachment:x.png)", {"x.png": {mime: picture(kind)}})
    assert again(stored).count(f'src="data:{mime};base64,{picture(kind)}"') == 2


@pytest.mark.parametrize(
    "data",
    [
        "PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+",  # SVG
        "not base64!",
        picture("GIF"),
        picture()[:40],
        picture("JPEG"),  # under the name of a PNG
        picture(size=(5000, 5000)),  # 74 kB that unpack to 75 MB
        base64.b64encode(bytes(4 * 2**20)).decode(),
    ],
    ids=["svg", "text", "gif", "damaged", "jpeg", "bomb", "large"],
)
def test_what_is_no_small_picture_is_not_shown(data):
    stored = safe_html.stored("![mine](attachment:x.png)", {"x.png": {"image/png": data}})
    assert "src=" not in stored
    assert 'alt="mine"' in stored


@pytest.mark.parametrize("odd", [None, [], "x", {"a": None}, {"a": {"image/png": 3}}, {3: {}}])
def test_odd_attachments_are_left_out(odd):
    assert safe_html.plain_attachments(odd) == {}


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        "<div>" * 40_000,
        "[" * 60_000,
        "*a **b " * 20_000,
        "> " * 60_000,
        "$" * 60_001,
        "![](" * 9999,
    ],
    ids=["nested", "brackets", "stars", "quotes", "dollars", "pictures"],
)
def test_a_text_made_to_be_slow_is_still_shown(text):
    assert len(safe_html.stored(text)) > 5
    assert_inert(safe_html.stored(text))


def test_a_renderer_that_fails_shows_the_text(monkeypatch):
    monkeypatch.setattr(safe_html, "MarkdownWithMath", None)
    assert safe_html.rendered("a <b> c") == "<pre>a &lt;b&gt; c</pre>"


# --- ids and tables -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*payloads.IDS, *payloads.FORMULAS])
def test_an_id_means_nothing_in_pages_links_and_tables(name):
    student = cleaned(name)
    assert cleaned(student) == student
    assert not set(student) & set('<>"&\\`#%?{}[]*;\t\r\n\u200b\ufeff\u202e')
    assert not re.match(r"[\s=+@\-＝＋＠－|']", student)


@pytest.mark.parametrize("name", payloads.FORMULAS)
def test_no_cell_of_a_worksheet_is_computed(name):
    rows = moodle.lines({f"{name}_12": {"easy": Mark(1, 1)}, name: {"easy": Mark(1, 1)}})
    for row in rows[1:]:
        for cell in row[:2]:
            parts = re.split(r"[;\t\r\n]", cell)
            assert not [p for p in parts if re.match(r"[\s\u200b\ufeff\u202e]*[=+@\-＝＋＠－|]", p)]


@pytest.mark.parametrize("name", ["O'Brien Zoë_3", "Lovelace Ada_12", "Лев Толстой_4", "李 雷_5"])
def test_ordinary_names_stay(name):
    assert cleaned(name) == name
    (_, row) = moodle.lines({name: {"easy": Mark(1, 1)}})
    assert row[1] == name.rpartition("_")[0]


def test_mathematics_in_a_feedback_page_can_be_read_without_network() -> None:
    r"""MathJax typesets the page's own text; where it does not load, that text is the formula.

    The policy lets it load from one address, and lets nothing else run.
    """
    formula = r"$\frac{a}{b} < \sum_i w_i^2$ and $$x > y \quad\text{if } a_1 < b_1$$"
    cells = [new_markdown_cell(safe_html.stored(formula)), new_markdown_cell(f"Ours: {formula}")]
    resources = {
        "nbgrader": {
            "notebook": "01_a", "score": 1, "max_score": 1, "waits": False, "late_penalty": 0
        }
    }  # fmt: skip
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    page, _ = feedback.FeedbackPage(config=config).from_notebook_node(
        new_notebook(cells=cells), resources
    )
    body = page.partition("<body")[2]
    shown = html.unescape(re.sub(r"<[^>]*>", "", body))
    assert shown.count(formula) == 2
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    sources = rules["script-src"].split()
    assert rules["default-src"] == "'none'"
    assert sources[0] == feedback.MATHJAX
    assert all(re.fullmatch(r"'sha256-[\w+/]+=*'", source) for source in sources[1:])
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, flags=re.S)
    for attributes, text in scripts:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f'src="{feedback.MATHJAX}' in attributes or f"'sha256-{digest}'" in sources
    assert scripts
    assert not re.search(r"<script", body)
