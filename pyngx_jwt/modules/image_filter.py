"""Transforms images in JPEG, GIF, PNG, and WebP formats.

It needs the package Pillow: `pip install 'pyngx-jwt[image]'`.  A response that is not an image is
answered with 415.  Images are transformed in the worker, one at a time: keep results in a cache.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

from ..conf.directive import Conf, directive, flag, size, slot
from ..errors import ConfError
from ..extras import IMAGE, load
from ..http.contexts import EVERYWHERE, LOCATION
from ..http.level import Level
from ..http.module import Module
from ..http.request import HeaderFilter, Request
from ..http.template import Template, Text
from ..http.variables import Variables
from ..http.whole_body import WholeBody, has_body
from ..log import Severity

KEY = "image_filter"
FORMATS = ("JPEG", "GIF", "PNG", "WEBP")
UNLIMITED = 2**63
MIXED = "multipart/x-mixed-replace"
_ANGLES = (90, 180, 270)
_NUMBER = re.compile(r"[0-9]{1,9}\Z")


def _parse_quality(name: str, text: str) -> Template:
    value = Template(text)
    if value.is_constant and not _side(text):
        raise ConfError(f'invalid value "{text}"')
    return value


def _parse_percent(name: str, text: str) -> Template:
    if text == "-":
        raise ConfError(f'invalid value "{text}"')
    return Template(text)


class ImageFilterConf(Conf):
    is_inherited_whole = True  # a block without any of the directives merges nothing

    kind = "off"
    sides: tuple[Template, Template] | None = None
    angle: Template | None = None

    @directive(
        LOCATION,
        default="off",
        syntax="image_filter off | test | size | rotate 90|180|270 | resize width height | "
        "crop width height",
        arity=(1, 3),
    )
    def image_filter(self, kind: str, *values: str) -> None:
        """Transforms images: "test" only checks that the response is one, "size" describes it in
        JSON, "rotate" turns it counter-clockwise, "resize" reduces it to at most this size, "crop"
        reduces it to one side and cuts off the rest of the other.  A side of "-" is not limited.
        Values can contain variables.  "rotate" can be used along with "resize" and "crop"."""
        wanted = {"off": 0, "test": 0, "size": 0, "rotate": 1, "resize": 2, "crop": 2}
        if wanted.get(kind) != len(values):
            words = " ".join((kind, *values))
            raise ConfError(f'invalid parameter "{words if kind in wanted else kind}"')
        texts = tuple(map(Template, values))
        for text in texts:
            if text.is_constant:
                self._check(kind, text.text)
        own = vars(self)
        if kind == "rotate":
            self.angle = texts[0]
            self.kind = own.get("kind", "rotate")
        else:
            self.kind = kind
            self.sides = (texts[0], texts[1]) if texts else None

    def _check(self, kind: str, text: str) -> None:
        right = text in map(str, _ANGLES) if kind == "rotate" else text == "-" or _side(text)
        if not right:
            raise ConfError(f'invalid parameter "{text}"')

    image_filter_buffer = size(
        1 << 20,
        EVERYWHERE,
        "Limits the size of images. A larger one is answered with 415.",
        shown="1M",
    )
    image_filter_interlace = flag(
        False,
        EVERYWHERE,
        "Makes JPEG images progressive and GIF images interlaced. Unlike in nginx, PNG images and "
        "GIF images of less than 16 pixels are not interlaced.",
    )
    image_filter_jpeg_quality = slot(
        Template("75"),
        _parse_quality,
        EVERYWHERE,
        "Sets the quality of JPEG images, from 1 to 100. The value can contain variables.",
        syntax="quality",
        shown="75",
    )
    image_filter_webp_quality = slot(
        Template("80"),
        _parse_quality,
        EVERYWHERE,
        "Sets the quality of WebP images, from 1 to 100. The value can contain variables.",
        syntax="quality",
        shown="80",
    )
    image_filter_sharpen = slot(
        Template("0"),
        _parse_percent,
        EVERYWHERE,
        "Sharpens images by so many percent. The value can contain variables.",
        syntax="percent",
        shown="0",
    )
    image_filter_transparency = flag(
        True,
        EVERYWHERE,
        "Keeps GIF images and PNG images with a palette transparent.",
    )

    def merge(self, outer: ImageFilterConf) -> None:
        """What is done to images is inherited as a whole."""
        own = vars(self)
        if "kind" in own:
            own.setdefault("angle", None)
            own.setdefault("sides", None)
        super().merge(outer)


image_filter = Module("image_filter", ImageFilterConf)


class Plan(NamedTuple):
    """What a location does to images."""

    kind: str
    sides: tuple[Text, Text] | None
    angle: Text | None
    jpeg_quality: Text
    webp_quality: Text
    sharpen: Text
    conf: ImageFilterConf


def _plan(conf: ImageFilterConf, variables: Variables) -> Plan:
    def bound(value: Template) -> Text:
        return value.bind(variables)

    return Plan(
        conf.kind,
        None if conf.sides is None else (bound(conf.sides[0]), bound(conf.sides[1])),
        None if conf.angle is None else bound(conf.angle),
        bound(conf.image_filter_jpeg_quality),
        bound(conf.image_filter_webp_quality),
        bound(conf.image_filter_sharpen),
        conf,
    )


@image_filter.header_filter
def transform_images(conf: ImageFilterConf, level: Level) -> HeaderFilter | None:
    if conf.kind == "off":
        return None
    pillow = load('the "image_filter" directive', IMAGE, level.set_by("image_filter")[-1])
    pillow.init()  # all its readers: the workers may not be able to load them
    kernels: Any = import_module("PIL.ImageFilter")
    plan, most = _plan(conf, level.variables), conf.image_filter_buffer

    def filter_header(r: Request) -> None:
        if r.status == 304 or not has_body(r) or r.contexts.pop(KEY, False):
            return
        r.contexts[KEY] = True
        if (r.content_type or "").lower().startswith(MIXED):
            r.log(Severity.ERR, "image filter: multipart/x-mixed-replace response")
            raise ConnectionResetError
        picture = Picture(r, most, plan, Tools(pillow, kernels.Kernel))
        if r.content_length > most:
            picture.too_big()
        r.clear_header("refresh")
        r.content_length, r.allow_ranges = -1, False
        r.body_filters += (picture,)

    return filter_header


class Tools(NamedTuple):
    """What of Pillow is used."""

    images: Any
    kernel: Callable[..., Any]


class Picture(WholeBody):
    """The body filter."""

    def __init__(self, r: Request, most: int, plan: Plan, tools: Tools) -> None:
        super().__init__(r, most)
        self.plan, self.tools = plan, tools

    def too_big(self) -> NoReturn:
        self.r.log(Severity.ERR, "image filter: too big response")
        self.refuse(415)

    def transform(self, data: bytes) -> bytes:
        kind = kind_of(data)
        if self.plan.kind == "size":
            return self._described(data, kind)
        if not kind:
            self.refuse(415)
        self.r.content_type = f"image/{kind}"
        if self.plan.kind == "test":
            return data
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", self.tools.images.DecompressionBombWarning)
                changed = self._changed(data, kind)
        except Exception as error:  # whatever Pillow says of what it cannot read
            self.r.log(Severity.ERR, f"image filter: {error}")
            changed = None
        if changed is None:
            self.refuse(415)
        return changed

    def _described(self, data: bytes, kind: str) -> bytes:
        r = self.r
        r.clear_validators()
        r.status, r.status_line, r.headers_out = 200, None, []
        r.content_type, r.charset = "application/json", ""
        try:
            image = self._opened(data) if kind else None
        except Exception:
            image = None
        if image is None:
            return b"{}\r\n"
        width, height = image.size
        text = f'"width": {width}, "height": {height}, "type": "{kind}"'
        return f'{{ "img" : {{ {text} }} }}\r\n'.encode()

    def _opened(self, data: bytes) -> Any:
        return self.tools.images.open(io.BytesIO(data), formats=FORMATS)

    def _changed(self, data: bytes, kind: str) -> bytes | None:
        """None if the values make no sense."""
        r, plan, image = self.r, self.plan, self._opened(data)
        angle = _side(plan.angle(r)) if plan.angle is not None else 0
        if plan.kind == "rotate" and angle not in _ANGLES:
            return None
        width = height = UNLIMITED
        if plan.sides is not None:
            width, height = (_limit(side(r)) for side in plan.sides)
            if not (width and height):
                return None
            fits = image.size[0] <= width and image.size[1] <= height
            if fits and not angle and not (kind == "jpeg" and has_much_metadata(data)):
                return data
        image = self._plain(image, kind)
        if plan.kind != "rotate":
            image = self._reduced(image, width, height)
        if angle in _ANGLES:
            turns = {90: "ROTATE_90", 180: "ROTATE_180", 270: "ROTATE_270"}
            image = image.transpose(self.tools.images.Transpose[turns[angle]])
        if plan.kind == "crop":
            image = _cropped(image, width, height)
        return self._packed(self._sharpened(image), kind)

    def _plain(self, image: Any, kind: str) -> Any:
        """In colours that can be computed with."""
        is_clear = "A" in image.getbands() or "transparency" in image.info
        if image.mode == "P" and not self.plan.conf.image_filter_transparency:
            is_clear = False
        if image.mode == "L" and not is_clear:
            return image
        image = image.convert("RGBA" if is_clear and kind != "jpeg" else "RGB")
        image.info.pop("transparency", None)
        return image

    def _reduced(self, image: Any, width: int, height: int) -> Any:
        new = sizes(image.size, width, height, crop=self.plan.kind == "crop")
        return image if new == image.size else image.resize(new)

    def _sharpened(self, image: Any) -> Any:
        percent = _side(self.plan.sharpen(self.r))
        if not percent:
            return image
        outer = -percent / 400
        inner = 1 - 4 * outer
        return image.filter(
            self.tools.kernel((3, 3), (0, outer, 0, outer, inner, outer, 0, outer, 0), scale=1)
        )

    def _packed(self, image: Any, kind: str) -> bytes:
        r, plan, out = self.r, self.plan, io.BytesIO()
        options: dict[str, Any] = {}
        if kind == "jpeg":
            options["quality"] = quality = _quality(plan.jpeg_quality(r))
            options["comment"] = f"quality = {quality}\n"  # gd's images say so
            options["progressive"] = plan.conf.image_filter_interlace
        elif kind == "webp":
            options["quality"] = _quality(plan.webp_quality(r))
        elif kind == "gif":
            options["interlace"] = plan.conf.image_filter_interlace
        image.save(out, format=kind.upper(), **options)
        return out.getvalue()


def kind_of(data: bytes) -> str:
    """The format by the first bytes, "" if it is none of the four (ngx_http_image_test)."""
    if len(data) < 16:
        return ""
    if data.startswith(b"\xff\xd8"):
        return "jpeg"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


def has_much_metadata(data: bytes) -> bool:
    """Whether more than 5% of a JPEG image are about it (ngx_http_image_size)."""
    at, size = 2, 0
    while at < len(data) - 10:
        if data[at] != 0xFF or data[at + 1] == 0xFF:
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4])
        if 0xE1 <= data[at + 1] <= 0xEF:
            size += length
        at += 1 + length
    return size > len(data) // 20


def sizes(size: tuple[int, int], width: int, height: int, *, crop: bool) -> tuple[int, int]:
    """What an image is scaled to (ngx_http_image_resize)."""
    x, y = size
    if crop:
        if x * height < y * width:
            return (width, y * width // x) if x > width else size
        return (x * height // y, height) if y > height else size
    if x > width:
        x, y = width, max(y * width // x, 1)
    if y > height:
        x, y = max(x * height // y, 1), height
    return x, y


def _cropped(image: Any, width: int, height: int) -> Any:
    """What is too much is cut off at both ends."""
    x, y = image.size
    left, top = max(x - width, 0) // 2, max(y - height, 0) // 2
    return image.crop((left, top, left + min(x, width), top + min(y, height)))


def _side(text: str) -> int:
    return int(text) if _NUMBER.match(text) else 0


def _limit(text: str) -> int:
    """A side; 0 if it makes no sense."""
    return UNLIMITED if text == "-" else _side(text)


def _quality(text: str) -> int:
    return min(max(_side(text), 1), 100)
