"""xslt_stylesheet: XML documents that are transformed."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.needs("http_xslt_module")

HEAD = '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
TEXT = f"""{HEAD}<xsl:output method="text" media-type="text/plain" encoding="UTF-8"/>
<xsl:param name="a"/><xsl:param name="b"/>
<xsl:template match="/">[<xsl:value-of select="/root"/>|<xsl:value-of select="$a"/>|<xsl:value-of
select="$b"/>]</xsl:template></xsl:stylesheet>"""
COPY = f"""{HEAD}<xsl:template match="@*|node()"><xsl:copy>
<xsl:apply-templates select="@*|node()"/></xsl:copy></xsl:template></xsl:stylesheet>"""
WRAP = f"""{HEAD}
<xsl:template match="/"><root>(<xsl:value-of select="/root"/>)</root></xsl:template>
</xsl:stylesheet>"""
HTML = f"""{HEAD}<xsl:template match="/"><html><body><xsl:value-of select="/root"/></body></html>
</xsl:template></xsl:stylesheet>"""
FILES: dict[str, str | bytes] = {
    "text.xslt": TEXT,
    "copy.xslt": COPY,
    "wrap.xslt": WRAP,
    "html.xslt": HTML,
    "words.dtd": '<!ENTITY word "known">',
    "secret": "top secret",
    "html/a.xml": "<root>text</root>",
    "html/bad.xml": "<root>text",
    "html/word.xml": "<!DOCTYPE root><root>&word;</root>",
    "html/dtd.xml": '<!DOCTYPE root SYSTEM "other.dtd"><root>&word;</root>',
}


def serve(nginx: Nginx, directives: str, **files: str) -> None:
    for name, text in files.items():
        nginx.write(f"html/{name}.xml", nginx.filled(text))
    nginx(f"location / {{ {directives} }}", http="types { text/xml xml; }", files=FILES)


def test_transformed(nginx: Nginx) -> None:
    serve(nginx, "xslt_stylesheet text.xslt;")
    nginx.exchange("""
        > GET /a.xml
        < 200
        < Content-Type: text/plain; charset=UTF-8
        < Content-Length: 8
        < !Last-Modified
        < !ETag
        < !Accept-Ranges
        <
        < [text||]

        > HEAD /a.xml
        < 200
        < Content-Length: 8

        > GET /bad.xml
        < 500

        > GET /none.xml
        < 404
        """)
    nginx.wait_for_log(r"\[error\] .*(not well formed XML document|xmlParseChunk\(\) failed)")


def test_type_of_the_result(nginx: Nginx) -> None:
    serve(
        nginx,
        """
        xslt_stylesheet html.xslt;
        location /copy/ { alias %%DIR%%/html/; xslt_stylesheet copy.xslt; }
        """,
    )
    assert nginx.request("GET /a.xml").get("Content-Type") == "text/html"
    answer = nginx.request("GET /copy/a.xml")
    assert answer.get("Content-Type") == "text/xml" and "<root>text</root>" in answer.text


def test_one_after_the_other(nginx: Nginx) -> None:
    serve(nginx, "xslt_stylesheet wrap.xslt; xslt_stylesheet wrap.xslt; xslt_stylesheet text.xslt;")
    assert nginx.request("GET /a.xml").text == "[((text))||]"


@pytest.mark.parametrize(
    ("directives", "text"),
    [
        ("xslt_stylesheet text.xslt a='x':b=/root;", "[text|x|text]"),
        ("xslt_stylesheet text.xslt a='1%3A2' b=$arg_b;", "[text|1:2|7]"),
        ("xslt_param a 1+1; xslt_string_param b 1+1; xslt_stylesheet text.xslt;", "[text|2|1+1]"),
        ('xslt_string_param a "it\'s $arg_b"; xslt_stylesheet text.xslt;', "[text|it's 7|]"),
    ],
)
def test_parameters(nginx: Nginx, directives: str, text: str) -> None:
    serve(nginx, directives)
    assert nginx.request("GET /a.xml?b=7&none=").text == text


def test_text_of_clients_cannot_become_an_expression(nginx: Nginx) -> None:
    serve(nginx, "xslt_string_param a $http_x; xslt_stylesheet text.xslt;")
    for text in ("'/root", '"', "concat('a',\"b\")", "\xc3\xa4"):
        expected = f"[text|{text}|]".encode("latin-1")
        assert nginx.request("GET /a.xml", f"X: {text}").body == expected


@pytest.mark.parametrize(
    "directives",
    [
        "xslt_stylesheet text.xslt nothing;",
        "xslt_stylesheet text.xslt b=$arg_none;",
        "xslt_param a ((; xslt_stylesheet text.xslt;",
    ],
)
def test_parameters_that_make_no_sense(nginx: Nginx, directives: str) -> None:
    serve(nginx, directives)
    assert nginx.request("GET /a.xml").status == 500


def test_entities(nginx: Nginx) -> None:
    """Those of the configuration, whichever DTD a document names."""
    serve(nginx, "xml_entities %%DIR%%/words.dtd; xslt_stylesheet text.xslt;")
    assert nginx.request("GET /word.xml").text == "[known||]"
    assert nginx.request("GET /dtd.xml").text == "[known||]"


EXTERNAL = '<!DOCTYPE root [<!ENTITY e SYSTEM "%%DIR%%/secret">]><root>a&e;b</root>'
PARAMETER = """<!DOCTYPE root [<!ENTITY % p SYSTEM "%%DIR%%/more.dtd"> %p;]><root>a&word;b</root>"""


@pytest.mark.needs("nginx/1.31")
def test_files_are_not_read_for_documents(nginx: Nginx) -> None:
    nginx.write("more.dtd", '<!ENTITY word "more">')
    serve(
        nginx,
        """
        xslt_stylesheet text.xslt;
        location /free/ {
            alias %%DIR%%/html/; xml_external_entities on; xslt_stylesheet text.xslt;
        }
        """,
        e=EXTERNAL,
        p=PARAMETER,
        s=EXTERNAL.replace("root [", 'root SYSTEM "%%DIR%%/more.dtd" ['),
        h=EXTERNAL.replace("%%DIR%%/secret", "http://127.0.0.1:%%PORT%%/a.xml"),
    )
    assert nginx.request("GET /e.xml").text == "[ab||]"
    assert nginx.request("GET /s.xml").text == "[ab||]"
    assert nginx.request("GET /h.xml").text == "[ab||]"
    assert "more" not in nginx.request("GET /p.xml").text
    assert nginx.request("GET /free/e.xml").text == "[atop secretb||]"


@pytest.mark.needs("nginx/1.31")
def test_a_document_that_would_grow_without_end(nginx: Nginx) -> None:
    rows = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE root [<!ENTITY e0 "0123456789">{rows}]><root>&e9;</root>'
    serve(nginx, "xslt_stylesheet text.xslt;", bomb=bomb)
    assert nginx.request("GET /bomb.xml").status == 500


@pytest.mark.pyngx_only("nginx lets stylesheets write files")
def test_stylesheets_cannot_write(nginx: Nginx) -> None:
    write = f"""{HEAD}<xsl:template match="/" xmlns:e="http://exslt.org/common"
        extension-element-prefixes="e"><e:document href="%%DIR%%/html/w">x</e:document>
        <a/></xsl:template></xsl:stylesheet>"""
    nginx.write("write.xslt", nginx.filled(write))
    serve(nginx, "xslt_stylesheet write.xslt;")
    nginx.request("GET /a.xml")
    assert not (nginx.prefix / "html/w").exists()


def test_types_and_dates(nginx: Nginx) -> None:
    serve(
        nginx,
        """
        xslt_types application/xml; xslt_last_modified on; xslt_stylesheet text.xslt;
        location /app/ {
            alias %%DIR%%/html/; types { application/xml xml; } xslt_stylesheet text.xslt;
        }
        location /other/ {
            alias %%DIR%%/html/; types { text/other xml; } xslt_stylesheet text.xslt;
        }
        """,
    )
    answer = nginx.request("GET /a.xml")
    assert answer.text == "[text||]" and answer.get("Last-Modified") is not None
    assert nginx.request("GET /app/a.xml").text == "[text||]"
    assert nginx.request("GET /other/a.xml").text == "<root>text</root>"


def test_of_an_upstream_with_gzip(nginx: Nginx) -> None:
    nginx.backend("up", b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n<root>up</root>")
    nginx(
        """
        location / {
            gzip on; gzip_types text/plain; gzip_min_length 1;
            xslt_stylesheet text.xslt; proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        """,
        files=FILES,
    )
    assert nginx.request("GET /").text == "[up||]"


@pytest.mark.parametrize(
    ("directives", "message"),
    [
        ("xslt_stylesheet none.xslt;", "none.xslt"),
        ("xslt_stylesheet secret;", "secret"),
        ("xslt_stylesheet html/a.xml;", "a.xml"),
        ("xml_entities none.dtd; xslt_stylesheet text.xslt;", "none.dtd"),
    ],
)
def test_files_that_make_no_sense(nginx: Nginx, directives: str, message: str) -> None:
    for path, text in FILES.items():
        nginx.write(path, text)
    assert message in nginx.refused(f"location / {{ {directives} }}")


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects("xslt_stylesheet a;", '"xslt_stylesheet" directive is not allowed here')
    nginx.rejects("xslt_types;", 'invalid number of arguments in "xslt_types" directive')
