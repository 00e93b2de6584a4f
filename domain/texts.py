"""Texts and numbers with limits, as requests may hold them."""

from typing import Annotated

from msgspec import Meta

Text255 = Annotated[str, Meta(max_length=255)]
Text1000 = Annotated[str, Meta(max_length=1000)]
Count = Annotated[int, Meta(ge=0)]

# `\Z` and not `$`, which would allow a line feed at the end; where a pattern is shown, it is shown with `$`.
GivenName = Annotated[str, Meta(max_length=255, pattern=r"^[\w\-.]+\Z")]
"""A name as it may be sent; what may be stored is `names.is_name`."""
VersionText = Annotated[str, Meta(extra_json_schema={"pattern": "^([-+]?[0-9]+)?$"})]
"""The number of a version as a query has it, empty where the latest is meant; `version_asked` reads it."""

ProjectName = Annotated[str, Meta(max_length=255, pattern=r"^[\w\-./]+\Z")]
