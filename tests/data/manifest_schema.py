"""Holds JSON against the few words of JSON Schema that docs/manifest.schema.json uses; any other word is a mistake."""
import json
import re

KNOWN = {"$schema", "$id", "$ref", "$defs", "title", "description", "type", "properties", "required", "additionalProperties",
         "items", "enum", "const", "pattern", "minimum", "minItems"}
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}


def is_of(value, name):
    return isinstance(value, TYPES[name]) and not (name == "integer" and isinstance(value, bool))


def problems(value, schema, root=None, where="$"):
    root = root or schema
    assert set(schema) <= KNOWN, f"{where}: {set(schema) - KNOWN} is not checked here"
    if "$ref" in schema:
        yield from problems(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, where)
        return
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(is_of(value, t) for t in types):
        yield f"{where}: {json.dumps(value)[:60]} is not of type {types}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{where}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{where}: {value!r} does not match {schema['pattern']}"
    if "minimum" in schema and is_of(value, "integer") and value < schema["minimum"]:
        yield f"{where}: {value} is below {schema['minimum']}"
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{where}: {len(value)} items"
        for number, item in enumerate(value):
            yield from problems(item, schema.get("items", {}), root, f"{where}[{number}]")
    if isinstance(value, dict):
        for name in schema.get("required", []):
            if name not in value:
                yield f"{where}: `{name}` is missing"
        for name, member in value.items():
            if name in schema.get("properties", {}):
                yield from problems(member, schema["properties"][name], root, f"{where}.{name}")
            elif schema.get("additionalProperties", True) is False:
                yield f"{where}: `{name}` is not in the schema"
