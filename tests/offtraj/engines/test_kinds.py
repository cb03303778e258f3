"""Kinds of engines: one value for each, in the library and in the doctor."""

from __future__ import annotations

from typing import get_args

import pytest
from support.factories import make_spec

from offtraj.doctor.kinds import PROBES
from offtraj.engines.choice import choose_engine
from offtraj.engines.kinds import KINDS, kind_of
from offtraj.errors import UsageError
from offtraj.spec import EngineSpec, RecordedSpec, TransformersSpec


def test_every_declaration_of_a_spec_is_one_kind() -> None:
    declarations = get_args(get_args(EngineSpec)[0])
    assert [kind.spec for kind in KINDS] == list(declarations)
    assert kind_of(TransformersSpec(kind="transformers")).spec is TransformersSpec


def test_the_doctor_has_questions_for_every_kind_that_samples() -> None:
    assert {probes.spec for probes in PROBES} == {kind.spec for kind in KINDS} - {RecordedSpec}


@pytest.mark.parametrize("name", ["http://", "http://here:port/v1", "https:///v1"])
def test_an_endpoint_without_a_host_or_port_is_no_engine(name: str) -> None:
    with pytest.raises(UsageError, match="expected one of"):
        choose_engine(make_spec().spec, name)
