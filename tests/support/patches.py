"""JSON Patch (RFC 6902) as another program would apply it."""

import copy


def patched(document, operations):
    """The document after the operations, each of which must be possible."""
    result = copy.deepcopy(document)
    for operation in operations:
        *way, last = [key.replace("~1", "/").replace("~0", "~") for key in operation["path"].split("/")[1:]]
        target = result
        for key in way:
            target = target[key]
        match operation["op"]:
            case "add":
                target[last] = operation["value"]
            case "replace":
                assert last in target, operation
                target[last] = operation["value"]
            case "remove":
                del target[last]
    return result
