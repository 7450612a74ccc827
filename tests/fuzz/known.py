"""The differences that are known: each is as narrow as it can be said, and has its reason.

MEANT are those that stay. FAULTS are to be mended: whoever mends one deletes it here, and the
fuzzer watches over it from then on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest

from .case import Answer, Case, Outcome

CRS = re.compile(rb"\r\r\n")
CONNECTION = re.compile(rb"\nConnection *:", re.I)
NAMED = re.compile(rb"Host:[ \t]*(?:h\b|x?\.c\.d)|://[hH]\b")
CHUNKED = re.compile(rb"transfer-encoding", re.I)
EXTENSION = re.compile(
    rb"\n[0-9a-fA-F]+(?:[ \t]*;[^\r\n]*[\0-\x08\x0b-\x1f\x7f]|[ \t]+[^ \t;\r\n])"
)
EXTENSION_WITH_CR = re.compile(rb"\n[0-9a-fA-F]+[ \t]*(?:;[^\n]*)?\r[^\n]")
STATUS_LINE = re.compile(rb"HTTP/[1-9]\d*\.\d+ +\d{3}(?:[ .][^\r\n\0]*)?\r?\n")
INTERIM = re.compile(rb"(?:HTTP/\d+\.\d+ +1\d\d(?:[ .].*)?\r*\n(?:[^\r\n].*\n)*\r*\n)+")
CODE = re.compile(rb"^HTTP/\S+ +(\d+)", re.M)
ACCEPT_RANGES_TWICE = re.compile(rb"Accept-Ranges:.*Accept-Ranges:", re.S | re.I)
HEAD_END = re.compile(rb"\n\r*\n")
BELOW_100 = re.compile(rb"HTTP/\d+\.\d+ +0\d\d")
QUANTIFIED = re.compile(r"[*+]\)[*+]|\|.*\)[*+]|\?\)\+")
REFUSED = {"400", "405", "408", "411", "413", "414", "416", "501", "505"}


@dataclass(frozen=True, slots=True)
class Known:
    reason: str
    explains: Callable[[Case, Outcome, Outcome], bool]  # what pyngx did, what nginx did


@dataclass(frozen=True, slots=True)
class KnownField:
    """Fields that are left out of the comparison of two answers."""

    reason: str
    pattern: re.Pattern[str]
    where: Callable[[Case, Answer, Answer], bool]
    meant: bool = False


def known(case: Case, ours: Outcome, theirs: Outcome) -> Known | KnownField | None:
    """What explains a difference; the fields that are known may come on top."""
    ours, theirs, field = _without_fields(case, ours, theirs)
    if ours == theirs:
        return field
    return next((k for k in (*MEANT, *FAULTS) if k.explains(case, ours, theirs)), None)


def is_meant(entry: Known | KnownField) -> bool:
    return entry.meant if isinstance(entry, KnownField) else entry in MEANT


def _without_fields(
    case: Case, ours: Outcome, theirs: Outcome
) -> tuple[Outcome, Outcome, KnownField | None]:
    first = None
    left, right = list(ours.answers), list(theirs.answers)
    for n, (a, b) in enumerate(zip(left, right, strict=False)):
        for rule in FIELDS:
            if a != b and rule.where(case, a, b):
                left[n], right[n] = a, b = _without(a, rule.pattern), _without(b, rule.pattern)
                first = first or rule
    return replace(ours, answers=tuple(left)), replace(theirs, answers=tuple(right)), first


def _without(answer: Answer, pattern: re.Pattern[str]) -> Answer:
    """Without the chunks, too, if they are no longer announced."""
    fields = tuple(field for field in answer.fields if not pattern.fullmatch(field))
    chunked = "Transfer-Encoding: chunked"
    cut = chunked in answer.fields and chunked not in fields and answer.body == b"..."
    return replace(answer, fields=fields, body=b"" if cut else answer.body)


FIELDS = (
    KnownField(
        "Content-Length of an upstream's 204 is not passed on",
        re.compile("Content-Length: .*"),
        lambda case, a, b: (a.code, b.code) == ("204", "204"),
        meant=True,
    ),
    KnownField(
        "Last-Modified is kept in an error_page",
        re.compile("Last-Modified: .*"),
        lambda case, a, b: "error_page" in case.about,
    ),
    KnownField(
        "Accept-Ranges is sent once, also after X-Accel-Redirect",
        re.compile("Accept-Ranges: bytes"),
        lambda case, a, b: (
            b.fields.count("Accept-Ranges: bytes") > 1
            or (
                case.script is not None and ACCEPT_RANGES_TWICE.search(case.script.text) is not None
            )
        ),
        meant=True,
    ),
    KnownField(
        "a challenge of satisfy any is withdrawn, also the one before an error_page",
        re.compile("WWW-Authenticate: .*"),
        lambda case, a, b: (
            "satisfy any" in case.about
            and "error_page" in case.about
            and not any(field.startswith("WWW-Authenticate") for field in a.fields)
        ),
        meant=True,
    ),
    KnownField(
        "$upstream_status is 103 in nginx, whatever follows",
        re.compile("X-(?:Found|Status): .*"),
        lambda case, a, b: {"X-Found: 103", "X-Status: 103"} & {*b.fields} != set(),
        meant=True,
    ),
)


def _first(ours: Outcome, theirs: Outcome) -> tuple[Answer | None, Answer | None]:
    """The first answers that differ."""
    pairs: Iterator[tuple[Answer | None, Answer | None]]
    pairs = zip_longest(ours.answers, theirs.answers)
    return next(((a, b) for a, b in pairs if a != b), (None, None))


def _refused(ours: Outcome, theirs: Outcome) -> bool:
    """Whether pyngx answered 400, or hung up after answering, where nginx went on, or has closed
    without a word."""
    a, b = _first(ours, theirs)
    ended = b is None and a is not None and a is ours.answers[-1] and a.code == "400"
    return ended or (len(ours.answers) <= len(theirs.answers) and (a is None or a.code == "400"))


def _crs(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return bool(CRS.search(case.sent)) and _refused(ours, theirs)


def _extension(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    found = EXTENSION.search(case.sent) or EXTENSION_WITH_CR.search(case.sent)
    if not (CHUNKED.search(case.sent) and found):
        return False
    a, _ = _first(ours, theirs)
    ends = a is not None and "Connection: close" in a.fields and a is ours.answers[-1]
    return _refused(ours, theirs) or ends


def _connection(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    a, b = _first(ours, theirs)
    if not a or not b or len(CONNECTION.findall(case.sent)) < 2:
        return False
    closes, stays = "Connection: close", "Connection: keep-alive"
    return closes in a.fields and stays in b.fields and a.code == b.code


def _late(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    a, b = _first(ours, theirs)
    too_late = a is None or a.code in ("414", "400")
    return too_late and b is not None and b.code == "400" and b is theirs.answers[-1] and a != b


def _discarded(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """One has answered when the body is found to be wrong, or not to come."""
    if len(case.packets) == 1 or not CHUNKED.search(case.sent):
        return False
    a, b = _first(ours, theirs)
    if a is None or b is None or a is not ours.answers[-1] or b is not theirs.answers[-1]:
        return False
    return "400" in (a.code, b.code) or ("@refused" in case.about and b.code == "504")


def _expectation(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """The echo module sends its head before anything looks at the body."""
    a, _ = _first(ours, theirs)
    return b"/echo/" in case.sent and a is not None and a.code == "100"


def _unread_body(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """The answers are the same, but for what is said of the connection, or after it."""
    a, b = _first(ours, theirs)
    if a is None:
        return False
    if b is None:
        # These have begun to read the body, which is not over when they answer.
        return b"/grpc/" in case.sent or b"streamed/" in case.sent
    if CHUNKED.search(case.sent) is None or (a.status, a.body) != (b.status, b.body):
        return False
    return {*a.fields} ^ {*b.fields} == {"Connection: close", "Connection: keep-alive"}


def _precondition(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """With an error_page it closes even without a word."""
    a, b = _first(ours, theirs)
    return a is not None and b is None and "412" in (a.code, *theirs.codes[-1:])


def _interim(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    codes = set(CODE.findall(_leading(case)))
    return bool(codes - {b"101", b"103"}) and _first(ours, theirs)[0] is not None


def _switching(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return b"101" in CODE.findall(_leading(case))


def _without_version(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    a, b = _first(ours, theirs)
    without = re.search(rb"(?:\A|\n)[A-Z]+ [^ \r\n]+ *\r?\n", case.sent)
    if without is None or b is None:
        return False
    if a is None:
        return not b.status
    # The page counts as the body of the response to the HEAD before it.
    return a.status == b.status and not a.body and b.body.startswith(b"<html>")


def _leading(case: Case) -> bytes:
    """The interim heads that the script begins with."""
    found = INTERIM.match(case.script.text) if case.script else None
    return found[0] if found else b""


def _headless(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    if case.script is None:
        return False
    answer = case.script.text
    if STATUS_LINE.match(answer) and STATUS_LINE.match(answer[len(_leading(case)) :]):
        return False
    a, b = _first(ours, theirs)
    if a is None or b is None or not b.status:
        return True
    if len(ours.upstream) < len(theirs.upstream):
        return True
    same = a.status == b.status and a.fields == b.fields
    ours_sent, theirs_sent = a.body.removesuffix(b"..."), b.body.removesuffix(b"...")
    return same and (theirs_sent.startswith(ours_sent) or ours_sent.startswith(theirs_sent))


def _broken_off(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """The last answer of both, or only of ours."""
    a, b = _first(ours, theirs)
    if case.script is None or a is None or a is not ours.answers[-1] or not _is_cut(a):
        return False
    return b is None or (a.status == b.status and a.fields == b.fields and _is_cut(b))


def _followed(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """What comes behind an answer that breaks off looks like one more."""
    length = len(theirs.answers)
    same = case.script is not None and ours.answers[:length] == theirs.answers
    return same and bool(length) and _is_cut(theirs.answers[-1])


def _huge(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    return b"Content-Length: 9223372036854775807" in case.sent and len(ours.codes) == 1


def _redirected(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    a, b = _first(ours, theirs)
    wrong = CHUNKED.search(case.sent) and a is not None and a.code in ("301", "302")
    codes = ("400", "504") if "@refused" in case.about else ("400",)
    return bool(wrong) and a is ours.answers[-1] and b is not None and b.code in codes


def _blank_behind_protocol(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    a, b = _first(ours, theirs)
    spaced = re.search(rb"HTTP/1\.\d +\r?\n", case.sent)
    return bool(spaced) and a is not None and b is not None and a.status == b.status


def _is_cut(answer: Answer) -> bool:
    """Whether the end of the answer is missing."""
    for field in answer.fields:
        name, _, value = field.partition(": ")
        if name == "Content-Length" and value.isdecimal():
            return len(answer.body) < int(value)
        if name == "Transfer-Encoding":
            return answer.body.endswith(b"...")
    return False


def _announced(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """Where nothing else differs, unless nginx's upstream waits for the body."""
    if "auth_request" in case.about and b"\r\nContent-Length: 4\r\n" in case.sent:
        return len(ours.upstream) > len(theirs.upstream)
    without = [re.sub(r"Content-Length: \d+ \| ", "", request) for request in theirs.upstream]
    return ours.answers == theirs.answers and list(ours.upstream) == without


def _cache_head(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    if case.script is None or case.sent.split()[1][:3] not in (b"/c/", b"/h/", b"/ac"):
        return False
    end = HEAD_END.search(case.script.text, len(_leading(case)))
    size = end.start() if end else len(_leading(case))
    return 500 < size < 1024 and theirs.codes[:1] in (["502"], ["500"])


def _full_buffer(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """Without proxy_buffering, nginx then has no room for the body."""
    a, b = _first(ours, theirs)
    if case.script is None or a is None or b is None or b.body or a.fields != b.fields:
        return False
    end = HEAD_END.search(case.script.text, len(_leading(case)))
    return end is not None and end.end() == 1024  # proxy_buffer_size


def _interim_status(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """The body of @failed shows it."""
    a, b = _first(ours, theirs)
    if a is None or b is None or a.code != b.code:
        return False
    return b"103" in CODE.findall(_leading(case)) and b.body == b"failed 103"


def _pipelined_room(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """It is in a buffer of the request before; nginx has no other place for it by then."""
    a, b = _first(ours, theirs)
    if a is None or b is None or a.code == "500" or b.code != "500":
        return False
    return len(CHUNKED.findall(case.sent)) > 1 and len(case.sent) > 1024


def _without_method(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """The response shows the request line; its length tells."""
    a, b = _first(ours, theirs)
    if not case.sent.startswith(b"HEAD ") or a is None or b is None or a.status != b.status:
        return False
    ours_length, theirs_length = _length(a), _length(b)
    closes = "Connection: close" in a.fields and min(ours_length, theirs_length) >= 0
    return closes and ours_length - theirs_length == len("HEAD")


def _length(answer: Answer) -> int:
    """Its Content-Length, -1 if there is none."""
    values = [f.removeprefix("Content-Length: ") for f in answer.fields if "Length: " in f]
    return int(values[0]) if values and values[0].isdecimal() else -1


def _kept_refusal(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """auth_request fails after another module has refused; nginx refuses the page of the 500."""
    a, b = _first(ours, theirs)
    if a is None or b is None or b.code not in ("401", "403"):
        return False
    closes = "Connection: close" in a.fields and "Connection: close" in b.fields
    asks = "satisfy any" in case.about and "auth_request" in case.about
    return closes and asks and bool(re.search(r"error_page [^;]*\b500\b", case.about))


def _broken_verdict(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    asked = case.sent.split()[1][:4] == b"/ac/" and case.script is not None
    return asked and not theirs.answers and {*ours.codes} <= {"200", "401", "403", "500"}


def _reset(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """The kernel drops what came before a reset, if nobody has read it yet."""
    a, b = _first(ours, theirs)
    codes = (a.code if a else "", b.code if b else "")
    return case.script is not None and case.script.end == "reset" and "502" in codes


def _line_end(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    a, b = _first(ours, theirs)
    end = re.search(rb"%0[aAdD]", case.sent)
    return (
        (bool(end) and a is not None and b is not None and a.status == b.status)
        and a is not None
        and a.code in ("301", "302")
    )


def _gives_up(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """With 500, for which the configuration may have a page; or it goes on as if a nested
    location did not match."""
    _, b = _first(ours, theirs)
    if len(case.sent) < 1000 or not QUANTIFIED.search(case.about):
        return False
    if b is None:
        return ours.answers == theirs.answers
    nested = re.search(r"^    +location ~", case.about, re.M) is not None
    return nested or b.code == "500" or bool(re.search(r"error_page [^;]*\b500\b", case.about))


def _below_100(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    a, b = _first(ours, theirs)
    if case.script is None or not BELOW_100.match(case.script.text, len(_leading(case))):
        return False
    return a is not None and b is not None and a.status == b.status


def _refused_body(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """nginx's upstream gets it, or waits for it."""
    a, b = _first(ours, theirs)
    if "@refused" not in case.about or a is None or a.code not in REFUSED:
        return False
    if b is None:
        return b"Content-Length" in case.sent or bool(CHUNKED.search(case.sent))
    return b.code == "504" or b.code in REFUSED


def _refusals_page(case: Case, ours: Outcome, theirs: Outcome) -> bool:
    """The page is built in: its length tells."""
    a, _ = _first(ours, theirs)
    if "@refused" not in case.about or a is None or not CHUNKED.search(case.sent):
        return False
    return a.code == "400" and "Content-Length: 150" in a.fields


MEANT = (
    Known("an answer that breaks off ends the connection", _followed),
    Known("a body of all there can be is refused with 413, whatever serves that", _huge),
    Known("a redirect is sent though the body of its request is wrong; it closes", _redirected),
    Known("$server_protocol has no spaces behind it", _blank_behind_protocol),
    Known("a cached verdict whose body breaks off is 500", _broken_verdict),
    Known("a 101 that nobody asked for is 502", _switching),
    Known("a line of the head that ends in more than one CR is refused", _crs),
    Known(
        "control characters, or blanks and more, behind the size of a chunk are refused", _extension
    ),
    Known('"close" in any of several Connection lines closes', _connection),
    Known("a wrong line is looked at when the head has come, or is too large", _late),
    Known("it is up to packets whether a wrong body or an answer comes first", _discarded),
    Known("a client that waits for 100 gets it before the answer, not behind it", _expectation),
    Known("nginx closes when it has a body to read, ours reads it", _unread_body),
    Known("nginx closes after a 412, though it has announced keep-alive", _precondition),
    Known("interim responses of an upstream are not passed on as final ones", _interim),
    Known("$upstream_status is 103 in nginx, whatever follows", _interim_status),
    Known("nginx fails if a pipelined head is too large for where it is", _pipelined_room),
    Known("nginx passes the refused line of a HEAD on without a method", _without_method),
    Known("nginx keeps a refusal of satisfy any for the page of a later error", _kept_refusal),
    Known("line ends do not get into Location", _line_end),
    Known("where nginx's expressions give up, with 500, ours need not", _gives_up),
    Known("the body of a response with a status below 100 has an end", _below_100),
    Known("the body of a refused request is not passed on by error_page", _refused_body),
    Known("a connection is closed after a response that has no head", _headless),
    Known("it is up to packets whether a reset or a response comes first", _reset),
    Known("in nginx the head of a cache file takes a part of proxy_buffer_size", _cache_head),
    Known("nginx drops the body behind a head that fills proxy_buffer_size", _full_buffer),
    Known("nginx drops what it has not sent when an upstream's response breaks off", _broken_off),
    Known("nginx announces to auth_request's upstream a body that it does not send", _announced),
)

FAULTS = (
    Known("error_page is not used for a bad request without a version", _without_version),
    Known("error_page is not used for a wrong chunk of a body that nobody reads", _refusals_page),
)
