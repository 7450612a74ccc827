"""Servers, locations and the settings that apply to every request."""

from .conf import CoreConf
from .error_pages import DeclaredErrorPage
from .module import compile_core, core

__all__ = ["CoreConf", "DeclaredErrorPage", "compile_core", "core"]
