"""A request's way through the phases, as http/engine.py goes it."""

from __future__ import annotations

from ...http.request import MAX_URI_CHANGES, Status
from ...http.status import DONE, NAMED, OK, REDIRECT, REDIRECTS
from ..model import Configuration
from ..place import Place
from .access import run_checks
from .account import Account
from .content import run_content
from .locations import choose_location
from .request import Asked, Traced, make_request
from .rewrites import run_rewrites
from .servers import choose_server


def explain(conf: Configuration, asked: Asked) -> Account:
    """The whole story; raises Wrong if the question cannot be asked."""
    account = Account()
    account.say(f"{asked.method} {asked.url}", None, 0)
    r, address, guess = make_request(conf, asked)
    if guess:
        account.say(guess)
    server = choose_server(conf, r, address, account)
    Journey(conf, server, r, account).run()
    return account


class Journey:
    """What happens from the server on."""

    def __init__(self, conf: Configuration, server: Place, r: Traced, account: Account) -> None:
        self.conf, self.server, self.r, self.account = conf, server, r, account
        for location in conf.by_location:
            location.settle = None  # keys are not fetched for an explanation

    def run(self) -> None:
        rc: Status | None = REDIRECT
        for _ in range(MAX_URI_CHANGES):
            rc = self._phases(self.conf.by_location[self.r.location], named=rc == NAMED)
            if rc in (REDIRECT, NAMED):
                self.account.say(f"redirected internally to {self._target(rc)}")
                continue
            if rc in (None, OK):
                return
            assert rc is not None
            if rc == DONE or not self._error_page(rc):
                self._answered(rc)
                return
            rc = NAMED if self.r.location is not self.server.level.location else REDIRECT
        self.account.say("rewrite or internal redirection cycle: answers 500")

    def _phases(self, place: Place, *, named: bool) -> Status | None:
        """Up to an answer, or another start."""
        r, status = self.r, None
        if not named:
            rc = run_rewrites(self.server, r, self.account)
            if rc is not None:
                return rc
            r.uri_changed = False
            place, status = choose_location(self.conf, self.server, r, self.account)
        else:
            self.account.say(f"{place}: by its name", place.statement)
        for _ in range(MAX_URI_CHANGES):
            if status is not None:
                return status
            rc = run_rewrites(place, r, self.account)
            if rc is not None:
                return rc
            place = self.conf.by_location.get(r.location, place)
            if not r.uri_changed:
                break
            r.location, r.uri_changed = r.server.location, False
            place, status = choose_location(self.conf, self.server, r, self.account)
        refused = run_checks(place, r, self.account)
        if refused is not None:
            return refused
        return run_content(place, r, self.account)

    def _target(self, rc: Status) -> str:
        if rc == NAMED:
            return self.r.location.name
        return f"{self.r.uri}?{self.r.args}" if self.r.args else self.r.uri

    def _error_page(self, status: Status) -> bool:
        """Whether an error_page sends the request elsewhere."""
        r = self.r
        page = r.location.error_pages.get(status)
        place = self.conf.by_location.get(r.location)
        if page is None or r.error_page_used or place is None or r.answer is not None:
            return False
        r.error_page_used = not r.location.core.recursive_error_pages
        uri = page.uri(r)
        where = place.find("error_page")
        self.account.say(f"error_page for {status}: {uri}", where)
        if not uri.startswith(("/", "@")):
            return False
        if uri.startswith("@"):
            return r.go_named(uri) == NAMED
        path, _, args = uri.partition("?")
        r.redirect(path, page.constant_args or args)
        return True

    def _answered(self, status: Status) -> None:
        r = self.r
        shown = r.status if status == DONE else status
        text = f"answers {shown}"
        if r.location_out and shown in REDIRECTS:
            text += f" to {r.location_out}"
        elif r.answer:
            text += f": {r.answer[:60].decode('latin-1')}"
        self.account.say(text)
