"""Options that commands of rebuilds share."""

import os
from typing import Annotated, Final

from cyclopts import Parameter, validators

CPUS: Final = len(os.sched_getaffinity(0))

Workers = Annotated[
    int, Parameter(validator=validators.Number(gte=1, lte=256), help="Processes that fold at the same time.")
]
