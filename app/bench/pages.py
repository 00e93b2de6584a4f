"""Pages of a made-up fleet: how they are asked for, by which statement they are read, what they must be."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec
from psycopg import ClientCursor

from app.bench.fleet import Fleet
from app.bench.measurements import WrongAnswer
from app.filters import parse_filter
from projections.criteria import DEPLOYMENT_FIELDS, in_workspace
from projections.deployments import DEPLOYMENTS
from projections.lists import ListQuery, list_statement
from projections.sorting import CREATION_ORDER


class Page(NamedTuple):
    """A page of deployments in the order of creation, of a workspace, by a query, now or as of a position."""

    workspace: str
    query: str
    as_of: int | None = None

    @property
    def path(self) -> str:
        """What a client asks for."""
        at = "" if self.as_of is None else f"&as_of={self.as_of}"
        return f"/apis/models/v2/workspaces/{self.workspace}/deployments?{self.query}{at}"

    def statement(self, cursor: ClientCursor[Any]) -> str:
        """The service's statement, with its values in place."""
        pairs = parse_qsl(self.query)
        given = dict(pairs)
        query = ListQuery(
            in_workspace(parse_filter(pairs, DEPLOYMENT_FIELDS), self.workspace),
            DEPLOYMENT_FIELDS,
            CREATION_ORDER,
            given.get("all_versions") == "true",
            int(given.get("page", "1")),
            int(given["page_size"]),
            self.as_of,
        )
        return cursor.mogrify(*list_statement(DEPLOYMENTS.table, query))

    def checked(self, text: str, fleet: Fleet) -> str:
        """The answer itself, if it has what the fleet's log adds up to; `WrongAnswer` else."""
        found, given = msgspec.json.decode(text), dict(parse_qsl(self.query))
        wanted = given.get("filter[status]")
        names = [
            f"model-{number}"
            for number in range(fleet.deployments)
            if wanted is None or fleet.is_pending(number) == (wanted == "PENDING")
        ]
        size = int(given["page_size"])
        begin = size * (int(given.get("page", "1")) - 1)
        if (got := [each["name"] for each in found["data"]]) != names[begin : begin + size]:
            raise WrongAnswer(f"{self.path} has {len(got)} deployments, or others than it should: {got[:5]}")
        if found["pagination"]["total_results"] != len(names):
            raise WrongAnswer(f"{self.path} counts {found['pagination']}, it should be {len(names)}")
        return text
