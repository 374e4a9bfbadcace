"""The committed OpenAPI document as Markdown: every operation, every schema with its fields."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OPENAPI = Path(__file__).parents[2] / "openapi" / "openapi.json"
LIMITS = {
    "exclusiveMinimum": "Above",
    "minimum": "At least",
    "exclusiveMaximum": "Below",
    "maximum": "At most",
    "minItems": "Items: at least",
    "maxItems": "Items: at most",
    "maxLength": "Characters: at most",
}
METHODS = ("get", "post", "put", "patch", "delete")


def document() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(OPENAPI.read_text())
    return told


def operations(told: dict[str, Any]) -> Iterator[str]:
    """What nearly every operation may answer, once; then a section for each tag, an entry for each
    operation.
    """
    said = [
        (status, answer["description"])
        for item in told["paths"].values()
        for method in METHODS
        for status, answer in item.get(method, {}).get("responses", {}).items()
    ]
    usual = {
        each for each, times in Counter(said).items() if each[0] >= "4" and times > len(said) // 20
    }
    yield "## What nearly every operation may answer\n\nEach is a [problem](#schema-problem):\n"
    yield from (f"* {status}: {description}" for status, description in sorted(usual))
    yield ""
    for tag in told["tags"]:
        yield f"## {tag['name']}\n\n{tag.get('description', '')}\n"
        for path, item in told["paths"].items():
            for method in METHODS:
                if tag["name"] in item.get(method, {}).get("tags", []):
                    yield from operation(method, path, item[method], usual)


def operation(
    method: str, path: str, said: dict[str, Any], usual: set[tuple[str, str]]
) -> Iterator[str]:
    yield f"### `{method.upper()} {path}`\n\n**{said['summary']}.** {said.get('description', '')}\n"
    if parameters := said.get("parameters"):
        yield "| parameter | in | type | what it says |\n|---|---|---|---|"
        for each in parameters:
            name = f"`{each['name']}`" + (" (required)" if each.get("required") else "")
            text = cell(each.get("description", ""))
            yield f"| {name} | {each['in']} | {kind(each['schema'])} | {text} |"
        yield ""
    for media, content in said.get("requestBody", {}).get("content", {}).items():
        yield f"* Body `{media}`: {kind(content.get('schema', {}))}"
    for status, answer in said["responses"].items():
        if (status, answer["description"]) in usual:
            continue
        schemas = {
            kind(each["schema"]) for each in answer.get("content", {}).values() if "schema" in each
        }
        named = "".join(f", {each}" for each in sorted(schemas) if each)
        yield f"* {status}{named}: {cell(answer['description'])}"
    yield ""


def schemas(told: dict[str, Any]) -> Iterator[str]:
    """A table of fields for each schema."""
    for name, schema in sorted(told["components"]["schemas"].items()):
        yield f"({anchor(name)})=\n## {name}\n\n{schema.get('description', '')}\n"
        if fields := schema.get("properties"):
            yield "| field | type | what it says |\n|---|---|---|"
            for field, said in fields.items():
                needed = " (required)" if field in schema.get("required", []) else ""
                yield f"| `{field}`{needed} | {kind(said)} | {cell(explained(said))} |"
            yield ""
        else:
            yield f"{kind(schema)}\n"


def explained(said: dict[str, Any]) -> str:
    """What a field says of itself, with its limits and its default."""
    told = [said.get("description", "")]
    for each in (said, *said.get("anyOf", [])):
        told += [f"{word} {each[limit]:g}." for limit, word in LIMITS.items() if limit in each]
    if said.get("default") is not None:
        told.append(f"Default `{json.dumps(said['default'])}`.")
    return " ".join(part for part in told if part)


def kind(schema: dict[str, Any]) -> str:
    """The type of a value, with links to the schemas it is made of."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{anchor(name)})"
    if choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return " or ".join(dict.fromkeys(filter(None, map(kind, choices))))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(f"`{json.dumps(value)}`" for value in values)
    match schema.get("type"):
        case "array":
            return f"list of {kind(schema['items'])}" if schema.get("items") else "list"
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return f"map of {kind(schema['additionalProperties'])}"
        case list() as several:
            return " or ".join(several)
        case str() as one:
            return one
    return ""


def anchor(name: str) -> str:
    return f"schema-{name.lower()}"


def cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
