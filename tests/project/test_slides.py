"""Slides: complete, self-contained, and a student's words are never more than words."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from pruninglab.project import slides, slides_pdf, talk
from pruninglab.results import records
from pruninglab.results.records import Point, Record

mpl.use("Agg")

HOSTILE = """<script>alert(1)</script> <img src=x onerror=alert(1)> {{ 7 * 7 }} $x^ \\frac"""
TALK = {
    "Title": f"Late {HOSTILE}",
    "Author": "Ada & Ben",
    "Question": "One ranking?\n\nOr many?",
    "Prediction": "One.",
    "Surprise": HOSTILE,
    "Next": "CIFAR-100.",
}


def record(name: str, seed: int, accuracies: dict[float, float], test: bool = True) -> Record:
    dense = Point(None, 0.0, 1000, 1000, 900, 900, 0, 0, 0.92, 0.91)
    made = Record(
        name, "weights", "magnitude", "at once", "t", "ResNet-20, width 16, shortcut B",
        "cifar10", "4,000 training images", seed, "subset-1-epochs", "m", dense, width=16,
        dense_seed=0, role="chance" if "Random" in name else "method",
    )  # fmt: skip
    for sparsity, accuracy in accuracies.items():
        left = round(1000 * (1 - sparsity))
        point = Point(sparsity, sparsity, 1000, left, 450, 400, 1.0, 9.0, accuracy)
        if test:
            point.test, point.latency, point.dense_latency = accuracy - 0.01, 0.002, 0.003
        made.points.append(point)
    return made


@pytest.fixture
def found() -> list[Record]:
    mine = [record("Mine", seed, {0.5: 0.9 + seed / 50, 0.9: 0.8}) for seed in (0, 1)]
    return [*mine, record("Random control", 0, {0.5: 0.5, 0.9: 0.2}, test=False)]


class Page(HTMLParser):
    """All tags with their attributes, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] not in ("script", "style"):
            self.text += data


def test_both_forms_are_written(found, tmp_path: Path) -> None:
    html, pdf = slides.make(found, TALK, tmp_path / "new" / "talk")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert pdf.read_bytes().count(b"/Type /Page ") == 7 == len(talk.compose(found, TALK))
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["talk.html", "talk.pdf"]
    assert html.stat().st_size < 600_000


def test_words_are_words(found, tmp_path: Path) -> None:
    html, _ = slides.make(found, TALK, tmp_path / "talk")
    page = Page(html.read_text(encoding="utf-8"))
    assert page.text.count(HOSTILE) == 3  # the page's title, the first slide, the surprise
    assert sum(tag == "script" for tag, _ in page.tags) == 2  # reveal.js and its start
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert [attrs["src"][:15] for tag, attrs in page.tags if tag == "img"] == ["data:image/png;"]


def test_nothing_is_fetched_and_only_its_own_scripts_run(found, tmp_path: Path) -> None:
    html, _ = slides.make(found, TALK, tmp_path / "talk")
    text = html.read_text(encoding="utf-8")
    page = Page(text)
    assert not {"link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert not re.search(r"url\(\s*['\"]?(https?:)?//", text)
    (policy,) = [
        a["content"]
        for t, a in page.tags
        if t == "meta" and "content" in a and "src" in a["content"]
    ]
    assert policy.startswith("default-src 'none';")
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.S)
    assert len(scripts) == 2
    for script in scripts:
        assert slides.digest(script) in policy


def test_the_table_has_the_numbers_of_the_records(found) -> None:
    dense, half, tenth, control, _ = talk.table(found)
    assert dense[1:] == ["0 %", "1", "1", "1", "91.0", "1"]
    # test accuracies 0.89 and 0.91: mean 90, sample standard deviation √2
    assert half == ["Mine", "50.0 %", "2.0", "2.00", "1.50", "90.0 ± 1.4", "2"]
    assert tenth == ["Mine", "90.0 %", "10.0", "2.00", "1.50", "79.0 ± 0.0", "2"]
    assert control == ["Random control", "50.0 %", "2.0", "2.00", "not yet", "50.0 (val)", "1"]


def test_a_long_table_goes_on() -> None:
    many = [record("Mine", 0, {k / 20: 0.9 for k in range(1, 19)})]
    pages = list(talk.tables(talk.table(many)))
    assert [len(p.rows) for p in pages] == [9, 9, 1]
    assert [p.title for p in pages][1:] == ["In numbers, continued"] * 2


@pytest.mark.parametrize(
    "text",
    ["", "Write here what you did not expect.", "Write yours here, with its reason.", "TODO"],
)
def test_what_is_not_written_yet_makes_no_slides(found, text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no slides yet: write Surprise first"):
        slides.make(found, {**TALK, "Surprise": text}, tmp_path / "talk")
    assert not list(tmp_path.iterdir())


def test_sentences_that_only_resemble_a_placeholder_are_welcome() -> None:
    said = dict.fromkeys(TALK, "Here we write zeros into the weights; the rest is to do.")
    assert talk.unfinished(said) == []
    assert talk.unfinished({**said, "Author": "Your name"}) == ["Author"]
    assert talk.unfinished({k: v for k, v in said.items() if k != "Title"}) == []


def test_title_and_system_are_those_of_the_recipe(found) -> None:
    first = talk.compose(found, {k: v for k, v in TALK.items() if k != "Title"})[0]
    assert first.title == "Mine"
    titled = talk.compose(found, {**TALK, "Title": "Less is more"})[0]
    assert titled.title == "Less is more"
    assert titled.paragraphs[-1].startswith("Mine: ResNet-20")


LONG = {
    "words": "pruning filters globally " * 28,
    "one word": "x" * 700,
    "wide letters": "WMWM " * 140,
    "many paragraphs": "a\n\n" * talk.PARAGRAPHS,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_no_text_runs_out_of_its_page(found, text: str) -> None:
    said = dict.fromkeys(TALK, text[:700].strip()) | {"Title": text[:200].strip()}
    for record in found:
        record.system = " ".join(text[:60].split()) + record.system
        record.method = text[:300].strip()
    for sheet in slides_pdf.sheets(talk.compose(found, said)):
        sheet.canvas.draw()
        page = sheet.bbox
        for part in sheet.texts:
            box = part.get_window_extent()
            assert box.x0 >= 0, part
            assert box.x1 <= page.x1, part
            assert box.y0 >= 0, part
            assert box.y1 <= page.y1, part
        plt.close(sheet)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("## Surprize\nx", "a section 'Surprize': choose from Title, Author, Question"),
        ("## Surprise\n" + "x\n\n" * 9, "'Surprise' has more than 8 paragraphs"),
        (f"## Surprise\n{'x' * 701}", "'Surprise' has 701 characters: no more than 700 fit"),
    ],
)
def test_a_talk_that_does_not_fit_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        talk.read_talk(text)


def test_the_command(found, tmp_path: Path, monkeypatch, capsys) -> None:
    for one in found:
        records.save(one, tmp_path)
    written = "".join(f"## {name}\nAda\n" for name in talk.SECTIONS[1:])
    (tmp_path / "talk.md").write_text(written)
    arguments = ["slides", str(tmp_path), "--title", "Mine!"]  # talk.md lies beside the records
    monkeypatch.setattr("sys.argv", arguments)
    slides.main()
    assert capsys.readouterr().out == f"{tmp_path}/talk.html\n{tmp_path}/talk.pdf\n"
    text = (tmp_path / "talk.html").read_text(encoding="utf-8")
    assert "<h1>Mine!</h1>" in text
    assert "<p>Ada</p>" in text


@pytest.mark.parametrize("files", [[], ["broken.json"], ["nowhere.json"]])
def test_without_records_there_is_nothing(files, tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "broken.json").write_text("{}") if files else None
    if not files:
        (tmp_path / "empty").mkdir()
    given = [str(tmp_path / f) for f in files] or [str(tmp_path / "empty")]
    monkeypatch.setattr("sys.argv", ["slides", *given, "--out", str(tmp_path / "x" / "talk")])
    with pytest.raises(SystemExit):
        slides.main()
    assert "error:" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
