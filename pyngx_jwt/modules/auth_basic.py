"""Limits access by user name and password ("HTTP Basic Authentication")."""

from __future__ import annotations

import errno
import hashlib
import re
import secrets

from ..conf.directive import Conf, directive
from ..errors import ConfError
from ..http.basic import credentials, matches
from ..http.contexts import EVERYWHERE, LIMIT_EXCEPT
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import OK, Handler, Request, Status
from ..http.template import Template
from ..log import Severity, errno_text

HERE = EVERYWHERE | LIMIT_EXCEPT


class AuthBasicConf(Conf):
    realm: Template | None = None
    user_file: Template | None = None

    @directive(HERE, default="off", syntax="auth_basic string | off")
    def auth_basic(self, realm: str) -> None:
        """Requires a user name and password; the realm is sent to the client.  "off" cancels an
        inherited value.  Requires "auth_basic_user_file"."""
        if "realm" in vars(self):
            raise ConfError('"auth_basic" directive is duplicate')
        self.realm = Template(realm)

    @directive(HERE)
    def auth_basic_user_file(self, file: str) -> None:
        """Sets the file with lines "name:password".  Passwords can be hashed by crypt(3) of the C
        library, or have the form {SHA}, {SSHA}, {PLAIN} or $apr1$.  A relative name starts from the
        directory of the configuration file.  Unlike in nginx, successful checks of slow hashes are
        cached."""
        if "user_file" in vars(self):
            raise ConfError('"auth_basic_user_file" directive is duplicate')
        self.user_file = Template(file)


auth_basic = Module("auth_basic", AuthBasicConf)


class VerifiedPasswords:
    """Passwords that matched, so that slow methods are not run for each request.

    Stored is a keyed hash of the password and its line in the file."""

    def __init__(self, size: int = 1024) -> None:
        self._size, self._key = size, secrets.token_bytes(32)
        self._known: dict[bytes, None] = {}

    def matches(self, password: str, line: str) -> bool:
        """Raises OSError as matches() does."""
        text = f"{len(line)}:{line}{password}".encode("latin-1")
        digest = hashlib.blake2b(text, key=self._key).digest()
        if digest in self._known:
            return True
        if not matches(password, line):
            return False
        if len(self._known) >= self._size:
            del self._known[next(iter(self._known))]
        self._known[digest] = None
        return True


@auth_basic.handler(Phase.ACCESS)
def check_password(conf: AuthBasicConf, level: Level) -> Handler | None:
    if conf.realm is None or conf.user_file is None or conf.realm.text == "off":
        return None
    realm_of, file_of = conf.realm.bind(level.variables), conf.user_file.bind(level.variables)
    full_name, verified = conf.scope.conf_name, level.scope.shared(VerifiedPasswords)

    def handle(r: Request) -> Status | None:
        realm = realm_of(r)
        if realm == "off":
            return None
        given = credentials(r)
        if given is None:
            r.log(Severity.INFO, "no user/password was provided for basic authentication")
            return _ask(r, realm)
        return _check(r, realm, given, full_name(file_of(r)), verified)

    return handle


def _check(
    r: Request, realm: str, given: tuple[str, str], path: str, verified: VerifiedPasswords
) -> Status:
    user, password = given
    try:
        with open(path.encode("latin-1"), "rb") as file:
            line = find_user(file.read().decode("latin-1"), user)
    except OSError as error:
        missing = error.errno == errno.ENOENT
        level = Severity.ERR if missing else Severity.CRIT
        r.log(level, f'open() "{path}" failed {errno_text(error)}')
        return 403 if missing else 500
    if line is None:
        r.log(Severity.ERR, f'user "{user}" was not found in "{path}"')
        return _ask(r, realm)
    try:
        if verified.matches(password, line):
            return OK
    except OSError as error:
        r.log(Severity.CRIT, f"crypt_r() failed {errno_text(error)}")
        return 500
    r.log(Severity.ERR, f'user "{user}": password mismatch')
    return _ask(r, realm)


_END = re.compile(r"[\r\n:]")


def find_user(text: str, user: str) -> str | None:
    """The password part of a user's line; lines that begin with "#" are comments."""
    head = f"{user}:"
    if text.startswith(head):
        start = len(head)
    else:
        start = text.find(f"\n{head}") + 1 + len(head)
        if start == len(head):
            return None
    if user.startswith(("#", "\r", "\n")):
        return None
    end = _END.search(text, start)
    return text[start : end.start() if end else None]


def _ask(r: Request, realm: str) -> Status:
    asks_proxy = r.method == "CONNECT"
    field = "Proxy-Authenticate" if asks_proxy else "WWW-Authenticate"
    r.add_header(field, f'Basic realm="{realm}"')
    return 407 if asks_proxy else 401
