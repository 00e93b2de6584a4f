import httpx
import pytest

BASE = "/apis/models/v2/workspaces/default"
DEEP = 100_000
JSON = {"content-type": "application/json"}
CONFIG = b'{"name":"trap","engine":"nim","model_spec":{},"executor_config":{"gpu":1,"override_config":%b}}'


@pytest.fixture(scope="module")
def service(service_url):
    with httpx.Client(base_url=service_url, timeout=60, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    "value", [b"[" * DEEP, b'{"a":' * DEEP, b"[" * DEEP + b"]" * DEEP, b'[{"a":' * (DEEP // 2)]
)
@pytest.mark.parametrize("body", [b"%b", CONFIG, CONFIG.replace(b"override_config", b"unknown")])
def test_deep_json_is_refused(service, value, body):
    """However deep a body nests, wherever it does, the answer is that it cannot be read."""
    answer = service.post(f"{BASE}/deployment-configs", content=body % value, headers=JSON)

    assert (400, {"detail": "There was an error parsing the body"}) == (answer.status_code, answer.json())


@pytest.mark.parametrize("name", ["filter", "filter[name]", "filter[name][$in]"])
@pytest.mark.parametrize("text", ["[" * 20_000, '{"$not":' * 2_000, "(" * 20_000, "-(" * 10_000])
def test_deep_filters_are_refused(service, name, text):
    """However deep a filter nests, it is refused or read as a text."""
    answer = service.get(f"{BASE}/deployments", params={name: text})

    assert answer.status_code == 400 or (name != "filter" and answer.json()["data"] == [])


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (b'"\xff"', 422),
        (b'"\xed\xa0\x80"', 422),
        (b'"\xc0\x80"', 422),
        (b'"\\u0000"', 422),
        (b'"\x00"', 422),
        (b'"\\ud800"', 422),
        (b"1e400", 422),
        (b"NaN", 422),
        (b"1" * 4_301, 400),
        (b"9223372036854775807", 201),
        (b"9223372036854775808", 201),
        (b"-9223372036854775809", 201),
        (b"18446744073709551616", 201),
    ],
)
def test_free_values_are_refused_or_kept(service, value, status):
    """What cannot be stored is refused as the client's fault, and any other value reads back as it was sent."""
    body = CONFIG % (b'{"a":%b}' % value)
    answer = service.post(f"{BASE}/deployment-configs", content=body, headers=JSON)
    shown = service.get(f"{BASE}/deployment-configs/trap")
    service.delete(f"{BASE}/deployment-configs/trap")

    assert status == answer.status_code
    assert (status == 201) == (b'"override_config":{"a":%b}' % value in shown.content)


@pytest.mark.parametrize("field", ["gpu", "run_as_user"])
@pytest.mark.parametrize("value", ["9223372036854775808", "1e19", "1" * 4_300, '"9223372036854775808"'])
def test_integers_beyond_64_bits_are_refused(service, field, value):
    """A declared integer that no column can hold is the client's fault."""
    body = (
        f'{{"name":"trap","engine":"nim","model_spec":{{}},"executor_config":{{"gpu":1,"{field}":{value}}}}}'
    )
    answer = service.post(f"{BASE}/deployment-configs", content=body, headers=JSON)

    assert 422 == answer.status_code


@pytest.mark.parametrize("question", ["", "?as_of={}", "?page={}", "?page_size={}"])
def test_numbers_of_queries_beyond_64_bits(service, question):
    """A number that no column can hold is refused or names nothing."""
    path = f"{BASE}/deployments" + (question.format(2**63) if question else f"/d/versions/{2**63}")

    assert service.get(path).status_code in {404, 422}
