"""What training may cost, for the planner."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from voxtempo.cohort.sections.base import Section

GIGABYTES = {
    "": 1.0,
    "g": 1.0,
    "gb": 1.0,
    "gib": 1.0,
    "m": 1 / 1024,
    "mb": 1 / 1024,
    "mib": 1 / 1024,
    "t": 1024.0,
    "tb": 1024.0,
}


def gigabytes(text: Any) -> Any:
    """Return gigabytes as a number: 4, "4", "4GB" and "4096 MB" are the same.

    >>> gigabytes("1536MB"), gigabytes("4 GB"), gigabytes(2)
    (1.5, 4.0, 2)
    """
    if not isinstance(text, str):
        return text
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", text)
    if found is None or found[2].lower() not in GIGABYTES:
        raise ValueError(f"'{text}' is no amount of memory; write it as 4GB or 1500MB")
    return float(found[1]) * GIGABYTES[found[2].lower()]


class Budget(Section):
    """What training once may cost; what the study leaves open is planned within it."""

    memory: (
        Annotated[float, Field(gt=0), BeforeValidator(gigabytes), WithJsonSchema({"type": ["number", "string"]})] | None
    ) = Field(default=None, description="of the training process, such as 4GB")
    minutes: float | None = Field(default=None, gt=0, description="of training one network on this machine")
