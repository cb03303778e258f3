"""Reading LaTeX in the worker: the fast ways of reading say what the slow one says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latex2sympy2_extended import NormalizationConfig
from latex2sympy2_extended.latex2sympy2 import latex2sympy
from sympy import srepr

from offtraj.grading.math import worker

SYMBOLS = ["x", "y", "n", "C", r"\omega ", r"\pi ", "x_{1}", "v_{0}", r"\theta_{w}", "a_{12}"]


def formulas() -> st.SearchStrategy[str]:
    """Sums, products, fractions, powers, roots and functions of numbers and symbols, in `normalise`'s notation."""
    leaves = st.sampled_from(SYMBOLS) | st.integers(1, 99).map(str) | st.just("1.5")
    powers = st.builds("{}^{{{}}}".format, st.sampled_from(SYMBOLS), st.sampled_from(["2", "-1", "n", "n+1", "1/2"]))

    def larger(smaller: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.builds("{}+{}".format, smaller, smaller),
            st.builds("{}-({})".format, smaller, smaller),
            st.builds("({})({})".format, smaller, smaller),
            st.builds(r"{}\cdot {}".format, smaller, leaves),
            st.builds(r"\frac{{{}}}{{{}}}".format, smaller, smaller),
            st.builds(r"\sqrt{{{}}}".format, smaller),
            st.builds(r"\{}({})".format, st.sampled_from(["sin", "cos", "ln"]), smaller),
            st.builds("e^{{{}}}".format, smaller),
            st.builds("({})^{{2}}".format, smaller),
        )

    return st.recursive(leaves | powers, larger, max_leaves=4)


@pytest.mark.parametrize("is_real", [True, False])
@settings(deadline=None, max_examples=100)
@given(latex=formulas())
def test_fast_reading_is_reading(latex: str, is_real: bool) -> None:
    config = NormalizationConfig(basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none")
    slowly: Any = latex2sympy(latex, is_real=is_real, normalization_config=config)
    # The same but for how a subscript of several characters is written in a symbol's name.
    assert srepr(worker._parse(latex, is_real)) == srepr(slowly).replace("_{12}", "_12")


def test_a_subscript_makes_a_symbol_of_constants() -> None:
    for latex, name in (("I_{0}", "i_0"), ("E_{1}", "e_1"), ("e_{1}", "e_1"), ("I_{max}", "i_max")):
        assert str(worker._parse(latex, True)) == name
