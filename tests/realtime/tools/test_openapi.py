"""OpenAPI documents as functions, and models' arguments as requests."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.bridge.tools import ToolFailed
from realtime.tools.services.document import BadDocument, loaded
from realtime.tools.services.listing import fingerprint
from realtime.tools.services.openapi import Document, Function, read
from realtime.tools.services.request import request_for
from realtime.tools.services.schema import BadSchema, check, portable

BASE = "https://api.example.org/v2"


def document(paths: dict[str, Any], **more: Any) -> dict[str, Any]:
    info = {"title": "Pets", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "servers": [{"url": BASE}], "paths": paths} | more


def operation(*parameters: dict[str, Any], path: str = "/pets", **more: Any) -> Document:
    given = {"operationId": "list pets!", "parameters": list(parameters)} | more
    return read(json.dumps(document({path: {"get": given}})))


def only(found: Document) -> Function:
    assert found.problems == []
    (function,) = found.functions
    return function


def parameter(name: str, kind: str = "query", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": kind, "schema": {"type": "string"}} | more


def url_of(function: Function, **arguments: Any) -> str:
    return request_for(BASE, function.call, arguments).url


# Documents


def test_an_operation_becomes_a_function() -> None:
    found = operation(
        parameter("kind", required=True, description="which kind"),
        parameter("page size", schema={"type": "integer", "minimum": 1}),
        summary="List the pets.",
        description="All of them.",
    )
    assert (found.title, found.server) == ("Pets", BASE)
    function = only(found)
    assert (function.name, function.read_only) == ("list_pets", True)
    assert function.description == "List the pets.\nAll of them."
    assert function.parameters == {
        "type": "object",
        "properties": {
            "kind": {"type": "string", "description": "which kind"},
            "page_size": {"type": "integer", "minimum": 1},
        },
        "required": ["kind"],
        "additionalProperties": False,
    }
    assert url_of(function, kind="big dogs", page_size=3.0) == (
        f"{BASE}/pets?kind=big%20dogs&page%20size=3"
    )


def test_yaml_and_json_say_the_same() -> None:
    written = document({"/pets": {"post": {"requestBody": {"content": {}}}}})
    assert read(yaml.safe_dump(written)) == read(json.dumps(written))
    plain = (
        "openapi: 3.0.3\nservers: [{url: /v1}]\npaths:\n  /a:\n    get:\n      responses: {200: {}}"
    )
    found = read(plain, "https://x.example.org/docs/api.yaml")
    assert (found.server, [each.name for each in found.functions]) == (
        "https://x.example.org/v1",
        ["get_a"],
    )


def test_names_are_told_apart() -> None:
    paths = {f"/{name}": {"get": {"operationId": "x" * 60}} for name in "abc"}
    names = [each.name for each in read(json.dumps(document(paths))).functions]
    assert names == ["x" * 46, "x" * 44 + "_2", "x" * 44 + "_3"]


def test_arguments_of_one_name_in_two_places_are_told_apart() -> None:
    found = operation(
        parameter("id", "path", required=True),
        parameter("id"),
        parameter("X-Id", "header"),
        path="/pets/{id}",
    )
    request = request_for(BASE, only(found).call, {"id": "a", "query_id": "b", "X-Id": "c"})
    assert request.url == f"{BASE}/pets/a?id=b"
    assert request.headers["X-Id"] == "c"


def test_an_operations_own_parameter_wins_over_its_paths() -> None:
    item = {
        "parameters": [parameter("q", description="path's"), parameter("r")],
        "get": {"parameters": [parameter("q", description="own")]},
    }
    function = only(read(json.dumps(document({"/p": item}))))
    assert function.parameters["properties"]["q"]["description"] == "own"
    assert sorted(function.parameters["properties"]) == ["q", "r"]


def test_references_into_the_document_are_followed_and_circles_end() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/N~1de"}}}
    whole = document(
        {
            "/pets": {
                "post": {
                    "parameters": [{"$ref": "#/components/parameters/Q"}],
                    "requestBody": {"$ref": "#/components/requestBodies/B"},
                }
            }
        },
        components={
            "schemas": {"N/de": node},
            "parameters": {"Q": parameter("q")},
            "requestBodies": {
                "B": {
                    "required": True,
                    "content": {
                        "application/json; charset=utf-8": {
                            "schema": {"$ref": "#/components/schemas/N~1de"}
                        }
                    },
                }
            },
        },
    )
    function = only(read(json.dumps(whole)))
    assert function.parameters["properties"] == {
        "q": {"type": "string"},
        "body": {"type": "object", "properties": {"next": {}}},
    }
    assert (function.parameters["required"], function.read_only) == (["body"], False)
    request = request_for(BASE, function.call, {"body": {"next": {"next": None}}})
    assert (request.method, request.body) == ("POST", b'{"next":{"next":null}}')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "It is no object with names and values."),
        ("[1]", "It is no object with names and values."),
        ('{"a": }', "Line 1, column 7: it is no JSON"),
        ("a: [1", "Line 2, column 1: it is no YAML"),
        ("a: &x [1]\nb: *x", "Line 2: aliases (*x) are not read."),
        ("swagger: '2.0'", "#/openapi: is missing (Swagger 2 is not read)"),
        ("openapi: 4.0.0", "#/openapi: is 4.0.0"),
        ("openapi: 3.0.0", "#/paths: there are none."),
        ("openapi: 3.0.0\nservers: [{}]\npaths: {/a: {}}", "#/servers/0/url: is missing."),
        ("!!python/object/apply:os.system ['true']", "it is no YAML"),
        ("a: !!binary aGk=", "It holds a value that JSON has not (bytes)."),
        ("a: " + "[" * 100 + "]" * 100, "it is nested too deep."),
        ("a: " + "x" * 1024 * 1024, "It is larger than 1024 kB."),
        ('{"a": ' + "[" * 100 + "]" * 100 + "}", "It is nested too deep."),
    ],
)
def test_what_is_wrong_with_a_document_is_said_with_its_place(text: str, words: str) -> None:
    with pytest.raises(BadDocument) as caught:
        read(text)
    assert words in str(caught.value)


def test_a_bomb_of_aliases_is_refused_before_it_is_built() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{n}: &{n} [{', '.join([f'*{chr(ord(n) - 1)}'] * 9)}]" for n in "bcdefghij"]
    with pytest.raises(BadDocument, match="aliases"):
        loaded("\n".join(lines))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"parameters": [parameter("c", "cookie", required=True)]},
            "/parameters/0: a cookie parameter 'c' cannot be sent",
        ),
        (
            {"parameters": [parameter("Host", "header", required=True)]},
            "/parameters/0: a header parameter 'Host' cannot be sent",
        ),
        ({"parameters": [{"in": "query"}]}, "/parameters/0: a parameter has to have a name"),
        (
            {"parameters": [{"$ref": "https://evil.example.org/p.json"}]},
            "/parameters/0: only references into this document (#/…) can be followed",
        ),
        ({"parameters": [{"$ref": "#/nowhere"}]}, "/parameters/0: there is no #/nowhere"),
        ({"parameters": 5}, "/parameters: parameters have to be a list"),
        ({"parameters": {"name": "q"}}, "/parameters: parameters have to be a list"),
        (
            {"parameters": [parameter("q", schema={"properties": {}, "required": [[]]})]},
            "/parameters/0/schema/required/0: [] is not of type 'string'",
        ),
        (
            {"parameters": [parameter("q", schema={"type": "wrong"})]},
            "/parameters/0/schema/type: 'wrong' is not valid",
        ),
        (
            {"requestBody": {"required": True, "content": {"text/xml": {}}}},
            "/requestBody/content: it takes no JSON",
        ),
        ({"servers": [{"url": "https://x.org"}]}, "/servers: an operation with servers of its own"),
    ],
)
def test_an_operation_that_cannot_be_called_is_left_out_and_named(
    more: dict[str, Any], words: str
) -> None:
    found = operation(**{"parameters": [], **more})
    assert found.functions == []
    (problem,) = found.problems
    assert problem.startswith("GET /pets: #/paths/~1pets/get")
    assert words in problem


def test_a_path_with_a_gap_is_left_out() -> None:
    assert operation(path="/pets/{id}").problems == [
        "GET /pets/{id}: #/paths/~1pets~1{id}/get: the path's {id} is no parameter"
    ]


def test_what_need_not_be_sent_is_not_offered() -> None:
    found = operation(parameter("c", "cookie"), parameter("Authorization", "header", required=True))
    assert only(found).parameters["properties"] == {}


# Schemas


def test_openapi_30_becomes_json_schema() -> None:
    schema = {
        "type": "string",
        "nullable": True,
        "enum": ["a"],
        "example": "a",
        "xml": {},
        "x-y": 1,
    }
    assert portable(schema, {}) == {"type": ["string", "null"], "enum": ["a", None]}
    assert portable({"properties": True, "required": ["a"]}, {}) == {"required": ["a"]}
    number = {"type": "number", "minimum": 0, "exclusiveMinimum": True, "exclusiveMaximum": False}
    assert portable(number, {}) == {"type": "number", "exclusiveMinimum": 0}
    thing = {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": {"type": "string", "readOnly": True}, "name": {"type": "string"}},
    }
    assert portable(thing, {}) == {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}},
    }


def test_references_are_pointers_and_may_be_written_as_in_an_address() -> None:
    root = {"$defs": {"A pet/dog": {"type": "string"}}}
    for written in ("#/$defs/A pet~1dog", "#/%24defs/A%20pet~1dog"):
        assert portable({"$ref": written}, root) == {"type": "string"}
    with pytest.raises(BadSchema, match="only references into this document"):
        portable({"$ref": "#anchor"}, root)


@pytest.mark.parametrize("large", [10**30, 10**400])
def test_a_number_that_is_too_large_to_be_written_is_about_as_large(large: int) -> None:
    schema = portable({"type": "integer", "maximum": large, "enum": [1, -large]}, {})
    assert schema["maximum"] >= 1e30
    assert fingerprint(Function("f", "", schema, {}, True))


def test_schemas_without_end_are_refused() -> None:
    wide = {"type": "object", "properties": {f"p{n}": {"$ref": "#/b"} for n in range(100)}}
    with pytest.raises(BadSchema, match="more than 2000 parts"):
        portable(wide, {"b": {"properties": {f"q{n}": {} for n in range(100)}}})
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"items": deep}
    with pytest.raises(BadSchema, match="too deep"):
        portable(deep, {})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'name' is a required property"),
        ({"name": 1}, "The argument name: 1 is not of type 'string'"),
        (
            {"name": "a", "age": {"n": [1, "2"]}},
            "The argument age.n[1]: '2' is not of type 'number'",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_words(
    arguments: dict[str, Any], words: str
) -> None:
    numbers = {"type": "array", "items": {"type": "number"}}
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "object", "properties": {"n": numbers}},
        },
        "required": ["name"],
    }
    with pytest.raises(ToolFailed) as caught:
        check(arguments, schema)
    assert str(caught.value) == words


def test_a_strangers_regular_expression_is_not_run_and_nothing_is_fetched() -> None:
    check({"q": "a" * 40 + "!"}, {"properties": {"q": {"pattern": "^(a+)+$"}}})
    # A property of that name is one.
    with pytest.raises(ToolFailed):
        check({"pattern": 1}, {"properties": {"pattern": {"type": "string"}}})
    with pytest.raises(Exception, match="Unresolvable"):
        check({}, {"$ref": "http://127.0.0.1:9/schema.json"})


# Requests


@pytest.mark.parametrize(
    ("more", "value", "query"),
    [
        ({}, ["a", "b&c"], "?q=a&q=b%26c"),
        ({"explode": False}, ["a", "b"], "?q=a%2Cb"),
        ({"style": "pipeDelimited", "explode": False}, ["a", "b"], "?q=a%7Cb"),
        ({"style": "deepObject"}, {"a": 1, "b": True}, "?q[a]=1&q[b]=true"),
        ({}, {"a": 1, "b": "x y"}, "?a=1&b=x%20y"),
        ({"content": {"application/json": {}}}, {"a": [1]}, "?q=%7B%22a%22%3A%5B1%5D%7D"),
        ({}, "x#y?z=1&w", "?q=x%23y%3Fz%3D1%26w"),
        ({}, False, "?q=false"),
        ({}, None, ""),
    ],
)
def test_query_parameters_have_their_styles(more: dict[str, Any], value: Any, query: str) -> None:
    assert url_of(only(operation(parameter("q", **more))), q=value) == f"{BASE}/pets{query}"


IN_PATH = only(operation(parameter("id", "path"), path="/pets/{id}/toys"))


@pytest.mark.parametrize(
    "value", ["", "..", ".", "../admin", "a/../../b", "..\\b", "a\nb", "a\0", "x/.."]
)
def test_what_would_leave_its_segment_is_refused(value: str) -> None:
    with pytest.raises(ToolFailed):
        url_of(IN_PATH, id=value)


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_a_value_stays_in_its_segment(value: str) -> None:
    try:
        url = url_of(IN_PATH, id=value)
    except ToolFailed:
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.query) == ("https", "api.example.org", "")
    one, two, three, four, five = parts.path.split("/")
    assert (one, two, three, unquote(four), five) == ("", "v2", "pets", value, "toys")


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\0b", "é", "a\x7f"])
def test_header_values_cannot_end_their_line(value: str) -> None:
    function = only(operation(parameter("X-Q", "header")))
    with pytest.raises(ToolFailed, match="no header can have"):
        request_for(BASE, function.call, {"X-Q": value})
