"""Filters of deployment lists, read from parameters, and two conditions that many examples use."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.filters import BadFilter, parse_filter
from projections.criteria import (
    DEPLOYMENT_FIELDS,
    Condition,
    Equal,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
X = Equal("name", "x")
READY = Equal("status", "READY")


def parse(*pairs: tuple[str, str]) -> Condition | None:
    """The condition of a deployment list's parameters."""
    return parse_filter(pairs, DEPLOYMENT_FIELDS)


def refusal(*pairs: tuple[str, str]) -> str:
    """The detail with which a deployment list refuses the parameters."""
    with pytest.raises(BadFilter) as refused:
        parse(*pairs)
    assert refused.value.detail == str(refused.value)
    return refused.value.detail
