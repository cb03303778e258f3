"""The spec: frozen values that say what to build and run, and the file they are read from."""

from offtraj.spec.benchmark import BenchmarkSpec, FileSource, HubSource, QuestionColumns
from offtraj.spec.engine import (
    EngineSpec,
    OpenAISpec,
    RecordedColumns,
    RecordedSpec,
    Served,
    TransformersSpec,
    VllmSpec,
)
from offtraj.spec.file import SpecFile, load_spec
from offtraj.spec.guidability import GuidabilitySpec
from offtraj.spec.model import DelimiterSpec, ModelSpec
from offtraj.spec.recoverability import RecoverabilitySpec
from offtraj.spec.schema import json_schema
from offtraj.spec.spec import JudgeSpec, PublishSpec, SamplingSpec, Spec
from offtraj.spec.test import Subset, TestName, TestSpec
from offtraj.spec.tests import TestsSpec

__all__ = [
    "BenchmarkSpec",
    "DelimiterSpec",
    "EngineSpec",
    "FileSource",
    "GuidabilitySpec",
    "HubSource",
    "JudgeSpec",
    "ModelSpec",
    "OpenAISpec",
    "PublishSpec",
    "QuestionColumns",
    "RecordedColumns",
    "RecordedSpec",
    "RecoverabilitySpec",
    "SamplingSpec",
    "Served",
    "Spec",
    "SpecFile",
    "Subset",
    "TestName",
    "TestSpec",
    "TestsSpec",
    "TransformersSpec",
    "VllmSpec",
    "json_schema",
    "load_spec",
]
