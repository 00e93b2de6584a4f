"""Section 1.1: which routes there are, and what happens to paths and methods that are none."""

from urllib.parse import quote

import pytest

from tests.contract import wire

CONFIGS, DEPLOYMENTS = "deployment-configs", "deployments"
ROUTES = {
    CONFIGS: ("GET", "POST"),
    f"{CONFIGS}/c": ("GET", "POST", "DELETE"),
    f"{CONFIGS}/c/versions": ("GET",),
    f"{CONFIGS}/c/versions/1": ("GET", "DELETE"),
    DEPLOYMENTS: ("GET", "POST"),
    f"{DEPLOYMENTS}/d": ("GET", "POST", "DELETE"),
    f"{DEPLOYMENTS}/d/versions": ("GET",),
    f"{DEPLOYMENTS}/d/versions/1": ("GET", "DELETE"),
    f"{DEPLOYMENTS}/d/status": ("POST",),
    f"{DEPLOYMENTS}/d/models": ("GET",),
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
NO_ROUTE = (404, "Not Found")


@pytest.mark.parametrize("path", ROUTES)
def test_every_route_answers_its_methods_and_no_others(workspace, path):
    """A method that a route lacks is a 405 whose Allow header names those it has."""
    workspace.config()
    workspace.deployment()

    for method in METHODS:
        response = workspace.request(method, path)
        if method in ROUTES[path]:
            assert response.status_code not in {404, 405}, method
        else:
            assert (405, "Method Not Allowed") == wire.refusal(response), method
            allowed = {name.strip() for name in response.headers["allow"].split(",")}
            assert set(ROUTES[path]) == allowed - {"HEAD", "OPTIONS"}


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/apis",
        wire.ROOT,
        f"{wire.ROOT}/default",
        f"{wire.ROOT}/default/deployment",
        f"{wire.ROOT}/default/Deployments",
        f"{wire.ROOT}/default/deployments/d/nothing",
        f"{wire.ROOT}/default/deployments/d/versions/1/more",
        f"{wire.ROOT}/default/deployment-configs/c/status",
        "/apis/models/v1/workspaces/default/deployments",
        "/apis/models/V2/workspaces/default/deployments",
    ],
)
def test_unknown_paths_are_404(http, path):
    """What is no route is no route for any method."""
    for method in METHODS:
        assert NO_ROUTE == wire.refusal(http.request(method, path)), method


@pytest.mark.parametrize("slash", ["%2F", "%2f"])
@pytest.mark.parametrize(
    "path", ["deployments/a{}b", "deployments/d{}versions", "deployment-configs/a{}b/versions"]
)
def test_an_encoded_slash_does_not_separate_segments(workspace, path, slash):
    """`a%2Fb` is one segment that no name can be."""
    assert NO_ROUTE == wire.refusal(workspace.get(path.format(slash)))


@pytest.mark.parametrize(
    "path", ["default//deployments", "/deployments", "default/deployments//d", "default/deployments//"]
)
def test_empty_segments_are_404(http, path):
    """No segment may be empty."""
    assert NO_ROUTE == wire.refusal(http.get(f"{wire.ROOT}/{path}"))


@pytest.mark.parametrize("path", [path for path in ROUTES if not path.endswith(("status", "1"))])
def test_a_trailing_slash_is_the_same_route(workspace, path):
    """The route with a slash at its end is served directly."""
    workspace.config()
    workspace.deployment()

    assert workspace.get(path).content == workspace.get(f"{path}/").content


@pytest.mark.parametrize(
    "name", ["UPPER", "two words", "Größe", "模型", "x" * 300, "a\nb", "100%", "'", '"', "-", "a--b"]
)
def test_names_in_paths_are_not_validated(workspace, name):
    """Odd names just do not exist, and the message has them decoded."""
    response = workspace.get(f"deployments/{quote(name, safe='')}")

    assert (404, f"Deployment '{workspace.name}/{name}' not found") == wire.refusal(response)


def test_unknown_query_parameters_are_ignored(workspace):
    """Parameters that a route does not have change nothing, on reads and writes."""
    workspace.config()

    assert 200 == workspace.get("deployments?nothing=1&search=x&name=y&Filter[x]=1").status_code
    assert 201 == workspace.post("deployments?x=1", {"name": "d", "config": "c"}).status_code
    assert 200 == workspace.get("deployments/d?version=7").status_code


def test_the_last_of_a_repeated_parameter_counts(workspace):
    """Also where an earlier one could not be read."""
    page = wire.done(200, workspace.get("deployments?page_size=x&page_size=7&sort=name&sort=-name"))

    assert (7, "-name") == (page["pagination"]["page_size"], page["sort"])


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_bodies_of_reads_and_deletions_are_ignored(workspace, method):
    """Whatever is in them."""
    workspace.config()
    response = workspace.request(method, "deployment-configs/c", content=b"{broken")

    assert response.is_success


def test_heads_have_no_body(workspace):
    """Whether HEAD is answered or refused, nothing follows the headers."""
    response = workspace.request("HEAD", "deployments")

    assert b"" == response.content
    assert response.status_code in {200, 405}


@pytest.mark.parametrize("path", list(ROUTES))
def test_options_is_no_method_and_names_those_that_are(workspace, path):
    """There is no CORS; whoever asks what can be done is told."""
    response = workspace.request("OPTIONS", path)

    assert 405 == response.status_code
    assert set(ROUTES[path]) <= {name.strip() for name in response.headers["allow"].split(",")}
