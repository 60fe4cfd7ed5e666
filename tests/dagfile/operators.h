#pragma once
// Operators of the tests' own, so that no change of a real one changes what these tests say.
#include <catch2/catch.hpp>

#include "plugins/spec/spec.h"

namespace udon::test {

inline OperatorCatalog operators() {
  const char* const descriptions[] = {
      R"({"name": "bash", "summary": "Runs a command.", "params": [
           {"name": "command", "type": "command", "required": true, "help": "What to run."},
           {"name": "env", "type": "map", "default": {}, "help": "Environment."}]})",
      R"({"name": "branch", "chooses": "branch", "summary": "Chooses.", "params": [
           {"name": "choose", "type": "any", "default": null, "help": "What."},
           {"name": "cases", "type": "map", "default": null, "help": "By value."},
           {"name": "otherwise", "type": "any", "default": null, "help": "Else."}]})",
      R"({"name": "empty", "needs_no_try": true, "summary": "Does nothing.", "params": []})",
      R"({"name": "wait", "kind": "sensor", "summary": "Waits.", "params": [
           {"name": "connection", "type": "connection", "required": true, "help": "Where."},
           {"name": "behind_at_most", "type": "duration", "default": "30s", "help": "How much."}]})",
      R"({"name": "submit", "kind": "external_job", "summary": "Submits.", "connections": ["cluster_default"], "params": []})",
      R"({"name": "export", "summary": "Exports a table.", "params": [
           {"name": "connection", "type": "connection", "required": true, "help": "Where it is."},
           {"name": "table", "type": "string", "required": true, "help": "Which."},
           {"name": "columns", "type": "list", "choices": ["*"], "required": true, "help": "Its columns."},
           {"name": "to", "type": "uri", "required": true, "help": "Where it goes."},
           {"name": "to_connection", "type": "connection", "default": "aws_default", "help": "By whose right."},
           {"name": "mask_key", "type": "connection", "default": null, "help": "A key."},
           {"name": "memory", "type": "bytes", "default": "256MB", "help": "How much."},
           {"name": "certify", "type": "string", "choices": ["rows", "wire"], "default": "wire", "help": "How."},
           {"name": "limit", "type": "integer", "default": null, "help": "How many."},
           {"name": "settings", "type": "map", "default": null, "help": "More."},
           {"name": "flag", "type": "boolean", "default": false, "help": "Whether."}]})",
      R"({"name": "nested", "summary": "Takes lists and maps.", "params": [
           {"name": "columns", "type": "list", "required": true, "choices": ["*"], "distinct": ["as", "name"], "help": "h", "items": [{"type": "string"},
             {"type": "map", "members": [{"name": "name", "type": "string", "required": true}, {"name": "as", "type": "string"},
               {"name": "mask", "type": "string", "choices": ["hmac_sha256"], "needs": "mask_key"},
               {"name": "type", "type": "data_type"}]}]},
           {"name": "mask_key", "type": "connection", "default": null, "help": "h"},
           {"name": "where", "type": "condition", "default": null, "help": "h"},
           {"name": "timezone", "type": "timezone", "default": null, "help": "h"},
           {"name": "from", "type": "uri", "schemes": ["s3", "file"], "default": null, "help": "h"},
           {"name": "to", "type": "uri", "schemes": ["s3", "file"], "absolute": true, "default": null, "help": "h"},
           {"name": "schema", "type": "map", "values": {"type": "data_type", "required": true}, "distinct": ["key"], "default": null, "help": "h"},
           {"name": "delimiter", "type": "string", "min": 1, "max": 1, "default": ",", "help": "h"},
           {"name": "part_size", "type": "bytes", "min": "5MiB", "max": "5GiB", "default": "16MiB", "help": "h"},
           {"name": "pause", "type": "duration", "min": "1s", "default": "1m", "help": "h"},
           {"name": "readers", "type": "integer", "max": 16, "default": 1, "help": "h"},
           {"name": "bucket", "type": "uri", "schemes": ["s3"], "default": null, "help": "h"}]})"};
  OperatorCatalog catalog;
  for (const char* const description : descriptions) {
    const Result<Value> value = parse_json(description);
    REQUIRE(value);
    const Result<OperatorSpec> spec = parse_operator_spec(*value);
    REQUIRE(spec);
    catalog.add(*spec);
  }
  return catalog;
}

}  // namespace udon::test
