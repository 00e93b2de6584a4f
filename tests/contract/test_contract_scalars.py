"""Section 1.3: the lenient reading of integers, truth values, texts, lists and objects, through real routes."""

import json

import pytest

from tests.contract import wire

INTEGERS = {
    "2": 2,
    "2.0": 2,
    "1e3": 1000,
    "true": 1,
    "false": 0,
    "9223372036854775807": 2**63 - 1,
    '" 2 "': 2,
    '"+1"': 1,
    '"007"': 7,
    '"1_0"': 10,
    '"2.0"': 2,
    '"2.000"': 2,
    '"-0"': 0,
    "-0.0": 0,
}
NO_INTEGERS = {
    '""': "int_parsing",
    '"abc"': "int_parsing",
    '"1e0"': "int_parsing",
    '"1."': "int_parsing",
    '"0x1"': "int_parsing",
    '"1__0"': "int_parsing",
    '"_1"': "int_parsing",
    '"1.5"': "int_parsing",
    '"١"': "int_parsing",
    '"true"': "int_parsing",
    "1.5": "int_from_float",
    "9223372036854775808.0": "int_parsing_size",
    "1e30": "int_parsing_size",
    "null": "int_type",
    "[]": "int_type",
    "{}": "int_type",
    "-1": "greater_than_equal",
    '"-1"': "greater_than_equal",
    # Decided: what does not fit the database's integers is refused.
    "9223372036854775808": "int_parsing_size",
    '"9223372036854775808"': "int_parsing_size",
}
TRUTHS = ["true", "1", "1.0", '"true"', '"TRUE"', '"t"', '"Yes"', '"y"', '"ON"', '"1"']
FALSEHOODS = ["false", "0", "0.0", "-0.0", '"false"', '"F"', '"no"', '"n"', '"Off"', '"0"']
NO_TRUTHS = {
    "2": "bool_parsing",
    "-1": "bool_parsing",
    '""': "bool_parsing",
    '" true"': "bool_parsing",
    '"maybe"': "bool_parsing",
    '"ｔ"': "bool_parsing",
    "0.5": "bool_type",
    "null": "bool_type",
    "[]": "bool_type",
    "{}": "bool_type",
}


def create(workspace, *, gpu="1", lora_enabled="false"):
    body = (
        f'{{"name":"c","engine":"nim","model_spec":{{"lora_enabled":{lora_enabled}}},'
        f'"executor_config":{{"gpu":{gpu}}}}}'
    )
    headers = {"content-type": "application/json"}
    return workspace.post("deployment-configs", content=body.encode(), headers=headers)


@pytest.mark.parametrize("literal", INTEGERS)
def test_what_is_read_as_an_integer(workspace, literal):
    """Numbers and texts that mean one."""
    gpu = wire.done(201, create(workspace, gpu=literal))["executor_config"]["gpu"]

    assert repr(INTEGERS[literal]) == repr(gpu)


@pytest.mark.parametrize("literal", NO_INTEGERS)
def test_what_is_no_integer(workspace, literal):
    """The kind of finding tells why; the input is as received."""
    response = create(workspace, gpu=literal)

    assert [(NO_INTEGERS[literal], ["body", "executor_config", "gpu"])] == wire.findings(response)
    assert json.loads(literal) == response.json()["detail"][0]["input"]


@pytest.mark.parametrize("literal", TRUTHS + FALSEHOODS)
def test_what_is_read_as_a_truth_value(workspace, literal):
    """Truth values and what is often written for them."""
    spec = wire.done(201, create(workspace, lora_enabled=literal))["model_spec"]

    assert (literal in TRUTHS) is spec["lora_enabled"]


@pytest.mark.parametrize("literal", NO_TRUTHS)
def test_what_is_no_truth_value(workspace, literal):
    """The kind of finding tells why."""
    response = create(workspace, lora_enabled=literal)

    assert [(NO_TRUTHS[literal], ["body", "model_spec", "lora_enabled"])] == wire.findings(response)


@pytest.mark.parametrize("version", [None, 0, False, "0", "0.0", -0.0])
def test_a_config_version_that_means_the_latest(workspace, version):
    """Nothing, null, zero and false."""
    workspace.config()
    workspace.update_config()

    assert 2 == workspace.deployment(config_version=version)["config_version"]


@pytest.mark.parametrize("version", [1, 1.0, True, "1", " +1 ", "1.0"])
def test_a_config_version_that_means_the_first(workspace, version):
    """However it is written."""
    workspace.config()
    workspace.update_config()

    assert 1 == workspace.deployment(config_version=version)["config_version"]


@pytest.mark.parametrize("value", [5, True, None, [], {}])
def test_only_texts_are_texts(workspace, value):
    """Nothing is turned into a text."""
    body = {"name": "d", "config": value}

    assert [("string_type", ["body", "config"])] == wire.findings(workspace.post("deployments", body))


@pytest.mark.parametrize("value", [5, None, [], {}, "NIM", " nim", ""])
def test_only_the_exact_word_is_an_enumeration(workspace, value):
    """No other case, no blanks."""
    response = workspace.post("deployment-configs", {"name": "c", **wire.SPEC, "engine": value})

    assert [("enum", ["body", "engine"])] == wire.findings(response)


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (("additional_args",), "list_type"),
        (("additional_envs",), "dict_type"),
        (("override_config",), "dict_type"),
        (("k8s_nim_operator_config",), "model_attributes_type"),
        (("k8s_nim_operator_config", "resources"), "dict_type"),
        (("k8s_nim_operator_config", "tolerations"), "list_type"),
        (("k8s_nim_operator_config", "node_selector"), "dict_type"),
    ],
)
@pytest.mark.parametrize("value", ["text", 5, False])
def test_only_lists_and_objects_are_such(workspace, place, kind, value):
    """Free maps, typed objects and lists each have their own finding."""
    for key in reversed(place):
        value = {key: value}
    body = {"name": "c", **wire.SPEC, "executor_config": {"gpu": 1, **value}}

    assert [(kind, ["body", "executor_config", *place])] == wire.findings(
        workspace.post("deployment-configs", body)
    )


@pytest.mark.parametrize(
    ("query", "page"),
    [("page=+1", 1), ("page=%2B1", 1), ("page=1.0", 1), ("page=%202%20", 2), ("page=0_3", 3)],
)
def test_integers_in_queries(workspace, query, page):
    """The same rules as for texts in bodies."""
    assert page == wire.done(200, workspace.get(f"deployments?{query}"))["pagination"]["page"]


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("page=", "int_parsing"),
        ("page=x", "int_parsing"),
        ("page=1.5", "int_parsing"),
        ("page_size=1e3", "int_parsing"),
        ("all_versions=2", "bool_parsing"),
        ("all_versions=", "bool_parsing"),
        ("page=0", "greater_than_equal"),
        ("page=-1", "greater_than_equal"),
        ("page_size=0", "greater_than_equal"),
        ("page_size=-5", "greater_than_equal"),
        ("page=99999999999999999999", "int_parsing_size"),
    ],
)
def test_queries_that_cannot_be_read(workspace, query, kind):
    """The place is the parameter, the input its text."""
    name, text = query.split("=")
    response = workspace.get(f"deployments?{query}")

    assert [(kind, ["query", name])] == wire.findings(response)
    assert text == response.json()["detail"][0]["input"]


@pytest.mark.parametrize("text", ["true", "YES", "on", "1", "t"])
def test_truth_values_in_queries(workspace, text):
    """`all_versions=YES` is true."""
    workspace.config()
    workspace.deployment()
    workspace.update()

    assert 2 == len(workspace.names(all_versions=text))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize(
    "place", ['"gpu":{}', '"gpu":1,"override_config":{{"a":[{}]}}', '"gpu":1,"disk_size":{}']
)
def test_numbers_that_json_lacks_are_refused(workspace, place, number):
    """What an answer could not echo is never stored, and never a fault of the service."""
    body = f'{{"name":"c","engine":"nim","model_spec":{{}},"executor_config":{{{place.format(number)}}}}}'
    response = workspace.post(
        "deployment-configs", content=body.encode(), headers={"content-type": "application/json"}
    )

    assert response.status_code in {400, 422}
    assert "detail" in response.json()


@pytest.mark.parametrize("text", [r"\ud800", r"a\udfffb", r"\u0000"])
@pytest.mark.parametrize("field", ["name", "project", "config"])
def test_texts_that_cannot_be_stored_are_refused(workspace, field, text):
    """Lone surrogates and NUL are findings, in every text."""
    body = {"name": '"d"', "config": '"c"'} | {field: f'"{text}"'}
    content = "{" + ",".join(f'"{key}":{value}' for key, value in body.items()) + "}"
    response = workspace.post(
        "deployments", content=content.encode(), headers={"content-type": "application/json"}
    )

    assert [["body", field]] == [loc for _, loc in wire.findings(response)]
