"""Transforms XML responses with XSLT stylesheets.

It needs the package lxml: `pip install 'pyngx-jwt[xslt]'`.  Unlike in nginx, stylesheets can
neither write files nor use the network.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, NoReturn

from ..conf.directive import UNLIMITED, Conf, directive, flag
from ..errors import ConfError
from ..extras import XSLT, load
from ..http.content_types import Types, add_types, has_type
from ..http.contexts import EVERYWHERE, LOCATION
from ..http.level import Level
from ..http.module import Module
from ..http.request import HeaderFilter, Request
from ..http.template import Template, Text
from ..http.uri import unescape
from ..http.whole_body import WholeBody, has_body
from ..log import Severity, fault_text
from .gzip_ok import change_length

KEY = "xslt"
MOST = 64 << 20  # bytes of a document
XML: Types = frozenset({"text/xml"})
OUTPUT = "{http://www.w3.org/1999/XSL/Transform}output"
_BARE = re.compile(rb"<!DOCTYPE\s+[^\s\[>]+(?=\s*[\[>])")
_EXTERNAL = re.compile(rb"""<!DOCTYPE\s+\S+\s+(?:SYSTEM|PUBLIC\s+(?:"[^"]*"|'[^']*'))\s+["']""")


class Param(NamedTuple):
    """A parameter of stylesheets: an XPath expression, or text."""

    name: str
    value: Template
    is_text: bool


class DeclaredSheet(NamedTuple):
    """A stylesheet with its own parameters, as in "a=1:b=2"."""

    path: str
    params: tuple[Template, ...]


class XsltConf(Conf):
    sheets: tuple[DeclaredSheet, ...] = ()
    params: tuple[Param, ...] = ()
    types: Types = XML
    entities = ""

    @directive(EVERYWHERE)
    def xml_entities(self, path: str) -> None:
        """Sets a DTD file that declares entities.  It takes the place of the DTD that a document
        names, which is never loaded."""
        self.once("entities", "xml_entities")
        self.entities = self.scope.conf_name(path)

    xml_external_entities = flag(
        False,
        EVERYWHERE,
        "Loads files that documents declare as entities. Anyone who can make documents can then "
        "read files of the server.",
    )

    @directive(EVERYWHERE)
    def xslt_param(self, name: str, value: str) -> None:
        """Sets a parameter of stylesheets.  Its value is an XPath expression, which can contain
        variables: with text of clients in it, use "xslt_string_param"."""
        self._add(Param(name, Template(value), is_text=False))

    @directive(EVERYWHERE)
    def xslt_string_param(self, name: str, value: str) -> None:
        """Sets a parameter of stylesheets to text, which can contain variables."""
        self._add(Param(name, Template(value), is_text=True))

    def _add(self, param: Param) -> None:
        self.params = (*vars(self).get("params", ()), param)

    @directive(LOCATION, syntax="xslt_stylesheet file [parameter ...]", arity=(1, UNLIMITED))
    def xslt_stylesheet(self, file: str, *params: str) -> None:
        """Transforms XML responses with a stylesheet.  Several are applied one after the other.
        Parameters have the form "name=value:name=value", with XPath expressions as values, in which
        ":" is written as "%3A".  A document that cannot be transformed, or has more than 64 MB, is
        answered with 500."""
        sheet = DeclaredSheet(self.scope.conf_name(file), tuple(map(Template, params)))
        self.sheets = (*vars(self).get("sheets", ()), sheet)

    @directive(EVERYWHERE, default="text/xml", syntax="xslt_types mime-type ...")
    def xslt_types(self, mime_type: str, *more: str) -> None:
        """Sets the MIME types of responses that are transformed, in addition to text/xml.  "*"
        means all types."""
        self.types = add_types(self, vars(self).get("types", XML), (mime_type, *more))

    xslt_last_modified = flag(
        False,
        EVERYWHERE,
        "Keeps the Last-Modified header of the document. By default it is removed, as the "
        "response also depends on stylesheets and parameters.",
    )


xslt = Module("xslt", XsltConf)


class Sheet(NamedTuple):
    """A compiled stylesheet, its parameters, and what it says of the result."""

    apply: Any
    params: tuple[Text, ...]
    media_type: str
    encoding: str
    method: str


@xslt.header_filter
def transform_documents(conf: XsltConf, level: Level) -> HeaderFilter | None:
    if not conf.sheets:
        return None
    place = level.set_by("xslt_stylesheet")[-1]
    etree = load('the "xslt_stylesheet" directive', XSLT, place)
    variables = level.variables
    sheets = tuple(
        _compiled(etree, sheet, tuple(text.bind(variables) for text in sheet.params))
        for sheet in conf.sheets
    )
    params = tuple((x.name, x.value.bind(variables), x.is_text) for x in conf.params)
    work = Work(etree, sheets, params, _entities(etree, conf), conf.xml_external_entities)
    types, keeps_date = conf.types, conf.xslt_last_modified

    def filter_header(r: Request) -> None:
        if r.status == 304 or not has_type(r, types) or r.contexts.get(KEY):
            return
        if not has_body(r):
            return
        r.contexts[KEY] = True
        change_length(r)
        if not keeps_date:
            r.clear_validators()
            r.clear_header("last-modified")
            r.clear_header("etag")
        r.body_filters += (Document(r, work),)

    return filter_header


def _compiled(etree: Any, sheet: DeclaredSheet, params: tuple[Text, ...]) -> Sheet:
    try:
        tree = etree.parse(sheet.path)
        access = etree.XSLTAccessControl(
            read_network=False, write_file=False, create_dir=False, write_network=False
        )
        apply = etree.XSLT(tree, access_control=access)
    except (OSError, etree.LxmlError) as error:
        name = (
            "xmlParseFile" if not isinstance(error, etree.XSLTError) else "xsltParseStylesheetDoc"
        )
        raise ConfError(f'{name}("{sheet.path}") failed: {fault_text(error)}') from None
    output: dict[str, str] = {}
    for element in tree.getroot().iterchildren(OUTPUT):
        output.update(element.attrib)
    media, encoding = output.get("media-type", ""), output.get("encoding", "")
    return Sheet(apply, params, media, encoding, output.get("method", ""))


def _entities(etree: Any, conf: XsltConf) -> bytes:
    if not conf.entities:
        return b""
    try:
        with open(conf.entities, "rb") as file:
            etree.DTD(file)
            file.seek(0)
            return file.read()
    except (OSError, etree.LxmlError) as error:
        raise ConfError(f'xmlParseDTD("{conf.entities}") failed: {fault_text(error)}') from None


class Work(NamedTuple):
    """What a location does to documents."""

    etree: Any
    sheets: tuple[Sheet, ...]
    params: tuple[tuple[str, Text, bool], ...]
    entities: bytes
    external_entities: bool


class Document(WholeBody):
    """The body filter."""

    def __init__(self, r: Request, work: Work) -> None:
        super().__init__(r, MOST)
        self.work = work

    def too_big(self) -> NoReturn:
        self._fail("too big XML document")

    def _fail(self, text: str) -> NoReturn:
        self.r.log(Severity.ERR, text)
        self.refuse(500)

    def transform(self, data: bytes) -> bytes:
        work = self.work
        if work.entities:  # also for a document that names no DTD
            data = _BARE.sub(rb'\g<0> SYSTEM "entities"', data, count=1)
        try:
            tree = work.etree.fromstring(data, self._parser(data))
        except (work.etree.LxmlError, ValueError) as error:
            self._fail(f"not well formed XML document: {error}")
        try:
            for sheet in work.sheets:
                tree = sheet.apply(tree, **self._params(sheet))
            body = bytes(tree)
        except (work.etree.LxmlError, ValueError, TypeError) as error:
            self._fail(f"xsltApplyStylesheet() failed: {error}")
        if not body:
            self._fail("xsltSaveResultToString() returned zero-length result")
        self._describe(work.sheets[-1], tree)
        return body

    def _describe(self, sheet: Sheet, tree: Any) -> None:
        r = self.r
        if sheet.encoding:
            r.charset = sheet.encoding
        if r.parent is not None:
            return
        root = tree.getroot()
        is_html = sheet.method == "html" or (
            not sheet.method and root is not None and str(root.tag).lower() == "html"
        )
        if sheet.media_type or is_html:
            r.content_type = sheet.media_type or "text/html"

    def _params(self, sheet: Sheet) -> dict[str, Any]:
        """XPath expressions by name; raises ValueError."""
        r, strparam = self.r, self.work.etree.XSLT.strparam
        params: dict[str, Any] = {}
        for name, value, is_text in self.work.params:
            text = _unicode(value(r))
            params[_unicode(name)] = strparam(text) if is_text else text
        for words in sheet.params:
            for word in filter(None, words(r).split(":")):
                name, sign, text = word.partition("=")
                if not sign:
                    raise ValueError(f'invalid libxslt parameter "{word}"')
                params[_unicode(name)] = _unicode(unescape(text))
        return params

    def _parser(self, data: bytes) -> Any:
        """One that loads nothing from elsewhere, unless it may."""
        etree, entities, loads = self.work.etree, self.work.entities, self.work.external_entities
        has_dtd = _EXTERNAL.search(data) is not None

        class Resolver(etree.Resolver):  # type: ignore[misc, name-defined]
            """Gives the parser the DTD of the configuration in the place of any other."""

            wants_dtd = has_dtd

            def resolve(self, url: Any, public_id: Any, context: Any) -> Any:
                if self.wants_dtd:
                    self.wants_dtd = False
                    return self.resolve_string(entities, context)
                # not resolve_empty(), with which lxml loads the file all the same
                return None if loads else self.resolve_string(b"", context)

        parser = etree.XMLParser(load_dtd=True, no_network=True, resolve_entities=True)
        parser.resolvers.add(Resolver())
        return parser


def _unicode(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "replace")
