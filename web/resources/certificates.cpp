// Certificates of exports: they are in the XComs of the task instances that published, newest first.
#include "base/text.h"
#include "model/certificate.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

// Cost follows what is asked for: the newest are found soon. What is older than so many task instances is found by
// naming its DAG or task.
constexpr int64_t examined_max = 50'000;
constexpr int64_t page_rows = 1000;
constexpr size_t prefix_min = 8;

struct Found {
  InstanceRow row;
  Value result;  // of the export: {rows, bytes, files, manifest, certificate}
};

// Until `take` says that it has enough. `is_whole`: all that there are were looked at.
Result<bool> walk(World& world, InstanceFilter filter, const std::function<bool(Found)>& take) {
  filter.states = {TaskState::success};
  filter.order_by = "-number";
  for (PageRequest part{.limit = page_rows, .offset = 0}; part.offset < examined_max; part.offset += part.limit) {
    TRY_ASSIGN(const Page<InstanceRow> instances, world.reader.instances(filter, part));
    for (const InstanceRow& row : instances.rows) {
      if (row.instance.try_number == 0) continue;
      TRY_ASSIGN(const std::optional<XComRecord> xcom, world.reader.xcom(row.instance.number, "return_value"));
      if (!xcom || !xcom->value.is_map() || !xcom->value.get("certificate").is_map()) continue;
      // Another operator's value may have a member of that name.
      if (!parse_certificate(xcom->value.get("certificate"))) continue;
      if (!take({row, xcom->value})) return true;
    }
    if (part.offset + part.limit >= instances.total) return true;
  }
  return false;
}

Value show_row(const Found& found) {
  const Value& certificate = found.result.get("certificate");
  return Value::Map{{"certificate_id", certificate.get("id")},
                    {"dag_id", found.row.dag_id},
                    {"dag_run_id", found.row.run_id},
                    {"task_id", found.row.instance.task_id},
                    {"map_index", found.row.instance.map_index},
                    {"made_at", certificate.get("made_at")},
                    {"level", certificate.get("level")},
                    {"source", certificate.get("source")},
                    {"rows", certificate.get("rows")},
                    {"bytes", found.result.get("bytes")},
                    {"files", static_cast<int64_t>(certificate.get("files").size())},
                    {"manifest", found.result.get("manifest")}};
}

Result<Response> list(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  InstanceFilter filter;
  filter.dag_ids = query.texts("dag_id");
  filter.task_ids = query.texts("task_id");
  const auto manifest = query.text("manifest");
  const PageRequest page = query.page();
  if (!problems.empty()) return problems.response();
  Value::List rows;
  int64_t found = 0;
  TRY_ASSIGN(const bool is_whole, walk(world, filter, [&](Found certificate) {
               if (manifest && certificate.result.text("manifest") != *manifest) return true;
               if (found >= page.offset && found < page.offset + page.limit) rows.push_back(show_row(certificate));
               // One more tells that there is a further page; how many there are in all is not counted.
               return ++found <= page.offset + page.limit;
             }));
  Value answer = show_list("certificates", std::move(rows), found);
  answer.set("is_whole", is_whole);
  return json_response(200, answer);
}

Result<Response> get(World& world, const Call& call) {
  const std::string& id = call.part("certificate_id");
  if (id.size() < prefix_min)
    return Error{ErrorKind::invalid,
                 "`" + id + "`: at least " + std::to_string(prefix_min) + " characters of a certificate's id, please"};
  std::optional<Found> found;
  std::optional<std::string> other;
  TRY(walk(world, {}, [&](Found certificate) {
    const std::string its_id = certificate.result.get("certificate").text("id");
    if (!its_id.starts_with(id)) return true;
    if (found && found->result.get("certificate").text("id") != its_id) other = its_id;
    if (!found) found = std::move(certificate);
    return !other && its_id != id;
  }));
  if (!found) return Error{ErrorKind::not_found, "The Certificate with id: `" + id + "` was not found"};
  if (other)
    return Error{ErrorKind::invalid, "certificates " + found->result.get("certificate").text("id") + " and " + *other +
                                         " begin with `" + id + "`: say more of the id"};
  Value shown = show_row(*found);
  shown.set("certificate", found->result.get("certificate"));
  return json_response(200, shown);
}

}  // namespace

void add_certificates(Router& router, World& world) {
  router.add("GET", "/api/udon/certificates", at_least(Role::viewer), "Certificates of exports, newest first",
             [&world](const Call& call) { return list(world, call); });
  router.add("GET", "/api/udon/certificates/{certificate_id}", at_least(Role::viewer),
             "A certificate, by its id or the beginning of it",
             [&world](const Call& call) { return get(world, call); });
}

}  // namespace udon::web
