"""Opens files for locations; part of nginx's core module."""

from __future__ import annotations

from ..conf.directive import Conf, directive
from ..errors import ConfError
from ..http.contexts import EVERYWHERE
from ..http.files import FileAccess, Symlinks, files_of
from ..http.level import Level
from ..http.module import Module
from ..http.template import Template


class FilesConf(Conf):
    symlinks = Symlinks.ALLOWED
    symlinks_from: Template | None = None

    @directive(
        EVERYWHERE, default="off", syntax="disable_symlinks off | on | if_not_owner [from=part]"
    )
    def disable_symlinks(self, mode: str, part: str = "") -> None:
        """Refuses to open files through symbolic links: with "on" through any, with "if_not_owner"
        through those that belong to a different user than their target.  With "from=", only the
        rest of the path after that part is checked."""
        if "symlinks" in vars(self):
            raise ConfError('"disable_symlinks" directive is duplicate')
        modes = [word for word in (mode, part) if word in {kind.value for kind in Symlinks}]
        sources = [word for word in (mode, part) if word.startswith("from=")]
        for word in filter(None, (mode, part)):
            if word not in modes and word not in sources:
                raise ConfError(f'invalid parameter "{word}"')
        if not modes:
            raise ConfError('"disable_symlinks" must have "off", "on" or "if_not_owner" parameter')
        if part and not sources:
            raise ConfError(f'duplicate parameters "{mode} {part}"')
        if sources and modes[0] == "off":
            raise ConfError('"from=" cannot be used with "off" parameter')
        self.symlinks = Symlinks(modes[0])
        self.symlinks_from = Template(sources[0][5:]) if sources else None


files = Module("files", FilesConf)


def bind_files(level: Level) -> FileAccess:
    """How requests of a level open files."""
    conf = level[FilesConf]
    source = conf.symlinks_from
    return files_of(conf.symlinks, source.bind(level.variables) if source else None)
