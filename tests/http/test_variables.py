"""What is made of variables once, and shared by all levels."""

from __future__ import annotations

import pytest

from pyngx_jwt.errors import ConfError
from pyngx_jwt.http.template import Template
from pyngx_jwt.http.variables import Variables, unsettled


def test_equal_texts_are_bound_once() -> None:
    variables = Variables()
    variables.builtin["a"] = lambda r: "x"
    assert Template("$a/b").bind(variables) is Template("$a/b").bind(variables)
    assert Template("$a/b").bind(variables) is not Template("$a/c").bind(variables)


def test_unsettled_variables_of_a_shared_text_are_counted_each_time() -> None:
    variables = Variables()
    variables.builtin["claim"] = unsettled(lambda r: "x")
    for uses in (2, 4, 6):
        Template("$claim $claim").bind(variables)
        assert variables.unsettled_uses == uses


def test_a_name_that_is_defined_anew_means_something_else() -> None:
    variables = Variables()
    variables.prefixes["http_"] = lambda name: lambda r: "header"
    before = Template("$http_x").bind(variables)
    variables.define("http_x", lambda r: "map")
    assert Template("$http_x").bind(variables) is not before


def test_unknown_names_are_errors_each_time() -> None:
    variables = Variables()
    for _ in range(2):
        with pytest.raises(ConfError, match='unknown "nix" variable'):
            Template("$nix").bind(variables)


def test_stand_ins_of_a_circle_are_not_shared() -> None:
    """While a variable is being built, others may be bound to what stands for it."""
    variables = Variables()
    for name, other in (("a", "b"), ("b", "a")):
        text = Template(f"${other}!")
        variables.define_built(name, text.bind)
    variables.build_all()
    assert Template("$a!").bind(variables) is Template("$a!").bind(variables)
    assert len(variables.circles) == 1
