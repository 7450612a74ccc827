"""image_filter: images of another size."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from pyngx_jwt.modules.image_filter import has_much_metadata, sizes

from ..nginx import Nginx
from ..wire import Answer

pytestmark = pytest.mark.needs("http_image_filter_module")


def picture(kind: str, width: int = 40, height: int = 20, mode: str = "RGB") -> bytes:
    """Red on the left, and blue on the right."""
    image = Image.new(mode, (width, height), "red")
    image.paste(Image.new(mode, (width // 2, height), "blue"), (width - width // 2, 0))
    out = io.BytesIO()
    image.save(out, format=kind.upper())
    return out.getvalue()


FILES: dict[str, str | bytes] = {
    **{f"html/a.{kind}": picture(kind) for kind in ("jpeg", "gif", "png", "webp")},
    "html/text.png": "this is not an image",
    "html/short.png": "no",
    "html/broken.png": picture("png")[:60],
}


def serve(nginx: Nginx, directives: str, **options: str) -> None:
    nginx(f"location / {{ {directives} }}", files=FILES, **options)


def opened(answer: Answer) -> Image.Image:
    assert answer.status == 200, answer.text
    assert answer.get("Content-Length") == str(len(answer.body))
    image = Image.open(io.BytesIO(answer.body))
    assert answer.get("Content-Type") == f"image/{(image.format or '').lower()}"
    return image


@pytest.mark.parametrize("kind", ["jpeg", "gif", "png", "webp"])
@pytest.mark.parametrize(
    ("directives", "size"),
    [
        ("image_filter resize 10 10;", (10, 5)),
        ("image_filter resize - 10;", (20, 10)),
        ("image_filter resize 30 -;", (30, 15)),
        ("image_filter resize 100 100;", (40, 20)),
        ("image_filter crop 10 10;", (10, 10)),
        ("image_filter crop 10 100;", (10, 20)),
        ("image_filter crop 100 10;", (40, 10)),
        ("image_filter rotate 90;", (20, 40)),
        ("image_filter rotate 180;", (40, 20)),
        ("image_filter resize 10 10; image_filter rotate 270;", (5, 10)),
    ],
)
def test_size(nginx: Nginx, kind: str, directives: str, size: tuple[int, int]) -> None:
    serve(nginx, directives)
    image = opened(nginx.request(f"GET /a.{kind}"))
    assert image.format == kind.upper() and image.size == size


def colours(answer: Answer) -> list[str]:
    """Of the four corners' middle: left, right, top and bottom."""
    image = opened(answer).convert("RGB")
    x, y = image.size
    points = [(1, y // 2), (x - 2, y // 2), (x // 2, 1), (x // 2, y - 2)]
    names = {0: "red", 2: "blue"}
    found = [image.getpixel(point) for point in points]
    return [names[rgb.index(max(rgb))] for rgb in found if isinstance(rgb, tuple)]


def test_turned_counter_clockwise(nginx: Nginx) -> None:
    serve(nginx, "image_filter rotate $arg_by;")
    assert colours(nginx.request("GET /a.png?by=180"))[:2] == ["blue", "red"]
    assert colours(nginx.request("GET /a.png?by=90"))[2:] == ["blue", "red"]
    assert colours(nginx.request("GET /a.png?by=270"))[2:] == ["red", "blue"]
    for wrong in ("0", "45", "x", ""):
        assert nginx.request(f"GET /a.png?by={wrong}").status == 415


def test_as_it_is(nginx: Nginx) -> None:
    serve(nginx, "image_filter resize $arg_w $arg_h;")
    assert nginx.request("GET /a.png?w=40&h=20").body == FILES["html/a.png"]
    assert nginx.request("GET /a.png?w=-&h=-").body == FILES["html/a.png"]
    for wrong in ("w=0&h=5", "w=5", "w=x&h=5", ""):
        assert nginx.request(f"GET /a.png?{wrong}").status == 415


def test_described(nginx: Nginx) -> None:
    serve(nginx, "image_filter size;")
    answer = nginx.request("GET /a.gif")
    assert answer.get("Content-Type") == "application/json"
    assert answer.text == '{ "img" : { "width": 40, "height": 20, "type": "gif" } }\r\n'
    for kind in ("jpeg", "png", "webp"):
        assert json.loads(nginx.request(f"GET /a.{kind}").text)["img"]["type"] == kind
    for name in ("text.png", "short.png"):
        answer = nginx.request(f"GET /{name}")
        assert (answer.status, answer.text) == (200, "{}\r\n")


def test_tested(nginx: Nginx) -> None:
    serve(nginx, "image_filter test; types { text/plain png; }")
    answer = nginx.request("GET /a.png")
    assert answer.body == FILES["html/a.png"] and answer.get("Content-Type") == "image/png"
    for name in ("text.png", "short.png", "missing.png"):
        assert nginx.request(f"GET /{name}").status == 415


def test_error_page(nginx: Nginx) -> None:
    nginx(
        """
        location / { image_filter resize 9 9; error_page 415 = /page; }
        location /page { return 200 no; }
        """,
        files=FILES,
    )
    nginx.exchange("""
        > GET /text.png
        < 200
        <
        < no

        > GET /broken.png
        < 200
        <
        < no
        """)


def test_too_large(nginx: Nginx) -> None:
    serve(nginx, "image_filter_buffer 50; image_filter test;")
    assert nginx.request("GET /a.png").status == 415
    nginx.wait_for_log(r"image filter: too big response")


def test_head_is_that_of_the_new_image(nginx: Nginx) -> None:
    serve(nginx, "image_filter resize 10 10;")
    length = nginx.request("GET /a.png").get("Content-Length")
    nginx.exchange(f"""
        > HEAD /a.png
        < 200
        < Content-Type: image/png
        < Content-Length: {length}

        > HEAD /text.png
        < 415
        """)


def test_conditions_and_ranges(nginx: Nginx) -> None:
    serve(nginx, "image_filter resize 10 10;")
    date = nginx.request("GET /a.png").get("Last-Modified")
    assert nginx.request("GET /a.png", f"If-Modified-Since: {date}").status == 304
    answer = nginx.request("GET /a.png", "Range: bytes=0-3")
    assert answer.status == 200 and answer.get("Accept-Ranges") is None


def test_of_an_upstream(nginx: Nginx) -> None:
    body = picture("png")
    nginx.backend("up", b"HTTP/1.0 200 OK\r\nContent-Type: image/png\r\n\r\n" + body)
    nginx("location / { image_filter resize 10 10; proxy_pass http://127.0.0.1:%%PORT_up%%; }")
    answer = nginx.request("GET /")
    assert opened(answer).size == (10, 5)


def test_inner_blocks(nginx: Nginx) -> None:
    serve(
        nginx,
        """
        image_filter resize 10 10; image_filter rotate 90;
        location /off/ { alias %%DIR%%/html/; image_filter off; }
        location /crop/ { alias %%DIR%%/html/; image_filter crop 10 10; }
        """,
    )
    assert opened(nginx.request("GET /a.png")).size == (5, 10)
    assert nginx.request("GET /off/a.png").body == FILES["html/a.png"]
    assert opened(nginx.request("GET /crop/a.png")).size == (10, 10)


def test_quality_and_sharpness(nginx: Nginx) -> None:
    """Noise tells what was lost."""
    noise = Image.effect_noise((60, 60), 90).convert("RGB")
    out = io.BytesIO()
    noise.save(out, format="JPEG", quality=100)
    serve(
        nginx,
        """
        image_filter resize 50 50; image_filter_jpeg_quality $arg_q; image_filter_webp_quality 50;
        image_filter_sharpen $arg_s; image_filter_interlace on; image_filter_transparency off;
        """,
    )
    nginx.write("html/noise.jpeg", out.getvalue())
    good, bad = (nginx.request(f"GET /noise.jpeg?q={q}") for q in (95, 10))
    assert len(good.body) > 2 * len(bad.body)
    assert opened(good).info.get("progressive")
    assert b"quality = 95\n" in good.body and b"quality = 10\n" in bad.body
    sharp = nginx.request("GET /noise.jpeg?q=95&s=100")
    assert sharp.body != good.body and opened(sharp).size == (50, 50)
    assert opened(nginx.request("GET /a.webp")).size == (40, 20)


@pytest.mark.nginx_differs("gd does not find the clear colour of Pillow's GIF")
def test_transparency(nginx: Nginx) -> None:
    image = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (20, 0, 40, 20))
    out = io.BytesIO()
    image.save(out, format="GIF")
    serve(nginx, "image_filter resize 20 20;")
    nginx.write("html/clear.gif", out.getvalue())
    small = opened(nginx.request("GET /clear.gif")).convert("RGBA")
    assert small.getpixel((2, 5)) in ((0, 0, 0, 0), (255, 255, 255, 0))
    assert small.getpixel((17, 5)) == (255, 0, 0, 255) or small.getpixel((17, 5)) == (
        252,
        2,
        4,
        255,
    )


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("image_filter;", 'invalid number of arguments in "image_filter" directive'),
        ("image_filter blur;", 'invalid parameter "blur"'),
        ("image_filter rotate 45;", 'invalid parameter "45"'),
        ("image_filter resize x 5;", 'invalid parameter "x"'),
        ("image_filter resize 5 0;", 'invalid parameter "0"'),
        ("image_filter_jpeg_quality 0;", 'invalid value "0"'),
        ("image_filter_sharpen -;", 'invalid value "-"'),
    ],
)
def test_rejected(nginx: Nginx, directive: str, message: str) -> None:
    nginx.rejects(f"location / {{ {directive} }}", message)


def test_computed_sizes() -> None:
    assert sizes((40, 20), 10, 10, crop=False) == (10, 5)
    assert sizes((400, 1), 10, 10, crop=False) == (10, 1)
    assert sizes((1, 400), 10, 10, crop=False) == (1, 10)
    assert sizes((40, 20), 10, 10, crop=True) == (20, 10)
    assert sizes((20, 40), 10, 10, crop=True) == (10, 20)
    assert sizes((5, 5), 10, 10, crop=True) == (5, 5)


def test_metadata_of_jpeg() -> None:
    plain = picture("jpeg")
    assert not has_much_metadata(plain)
    data = b"Exif" + bytes(len(plain))
    assert has_much_metadata(
        plain[:2] + b"\xff\xe1" + (len(data) + 2).to_bytes(2) + data + plain[2:]
    )
