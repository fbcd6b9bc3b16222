"""The one shape of every error that the API answers with: RFC 9457 problem details."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What went wrong (RFC 9457, section 3.1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    """What stood in the way and what the reader can do."""

    @classmethod
    def of(cls, status: int, detail: str) -> Problem:
        """A problem of an HTTP status, told in a sentence."""
        return cls(title=HTTPStatus(status).phrase, status=status, detail=detail)


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that may answer with these problems."""
    schema = Problem.model_json_schema()
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }
