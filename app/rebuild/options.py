"""Options that commands of rebuilds share."""

from typing import Annotated

from cyclopts import Parameter, validators

Workers = Annotated[
    int, Parameter(validator=validators.Number(gte=1, lte=256), help="Processes that fold at the same time.")
]
