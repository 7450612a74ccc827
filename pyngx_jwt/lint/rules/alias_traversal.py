"""A location without a slash at its end has an alias with one: files beside the folder are served.

What follows the location's name is put behind the alias.  Of "/img../secret" with "location /img"
that is "../secret", and the file is taken from the folder above.  End both with a slash, or
neither.

Bad:

    location /img {
        alias /srv/images/;
    }

Good:

    location /img/ {
        alias /srv/images/;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.core import CoreConf
from ..finding import Severity
from ..place import Place
from ..probe import location_of
from ..rule import Hit, Rule

rule = Rule("G01", "alias-traversal", Severity.ERROR)


@rule.each_place
def check(place: Place) -> Iterator[Hit]:
    core = place[CoreConf]
    if not place.is_location or core._regex is not None or core._modifier == "=":
        return
    given = place.given("alias")
    if not given or place.is_internal or core._name.endswith("/"):
        return
    uri = f"{core._name}../x"
    if core.root_path.text.endswith("/") and _reaches(place, uri):
        yield Hit(
            given[-1],
            f"{uri} is answered with {core.root_path.text}../x, which is outside of the alias",
            f"end the location with a slash: location {core._name}/",
            ((place.statement, "this has no slash at its end"),),
            word=1,
        )


def _reaches(place: Place, uri: str) -> bool:
    """Whether the location, or one in it, takes such a URI."""
    found = location_of(place.server, uri)
    return found is not None and any(outer is place for outer in found.outward())
