"""Passes requests to FastCGI servers, such as PHP-FPM."""

from __future__ import annotations

from ...conf.directive import A_SIZE, accepted, directive, flag, string
from ...errors import ConfError
from ...gateway.params_conf import ParamsConf
from ...http.contexts import EVERYWHERE
from ...http.regex import Regex


class FastcgiConf(ParamsConf, prefix="fastcgi"):
    fastcgi_index = string(
        "",
        EVERYWHERE,
        "Sets a file name that $fastcgi_script_name gets behind it if it ends with a slash.",
        syntax="name",
    )
    fastcgi_keep_conn = flag(
        False,
        EVERYWHERE,
        "Asks the server to leave the connection open after a response. Required for "
        'keep-alive connections of an "upstream" block.',
    )
    fastcgi_send_lowat = accepted(EVERYWHERE, "the kernel decides", like=A_SIZE)

    stderr_marks: tuple[str, ...] = ()
    split: Regex | None = None

    @directive(EVERYWHERE)
    def fastcgi_catch_stderr(self, string: str) -> None:
        """Sets a text that makes a response invalid if the server writes it to its error stream
        before the response head.  With "invalid_header" in "fastcgi_next_upstream", the next
        server is tried."""
        self.stderr_marks = (*vars(self).get("stderr_marks", ()), string)

    @directive(EVERYWHERE)
    def fastcgi_split_path_info(self, regex: str) -> None:
        """Sets a regular expression with two groups, which split the URI into
        $fastcgi_script_name and $fastcgi_path_info."""
        split = Regex(regex)
        if split.groups != 2:
            raise ConfError(f'pattern "{regex}" must have 2 captures')
        self.split = split

    @property
    def adds_slash(self) -> bool:  # type: ignore[override]
        """Even where variables name the address, unlike the others."""
        return self.target is not None
