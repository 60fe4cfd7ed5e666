#include <algorithm>
#include <map>

#include "base/text.h"
#include "web/bulk.h"
#include "web/fields.h"
#include "web/resources/resources.h"
#include "web/show.h"

namespace udon::web {
namespace {

constexpr int64_t slots_max = 1'000'000;

struct Usage {
  int64_t running = 0, queued = 0, scheduled = 0, deferred = 0;
};

// From the task instances that are active now; history is not looked at.
Result<std::map<std::string, Usage>> count_usage(World& world) {
  std::map<std::string, Usage> by_pool;
  InstanceFilter active;
  active.states = {TaskState::scheduled, TaskState::queued, TaskState::running, TaskState::restarting,
                   TaskState::deferred};
  for (PageRequest page{.limit = 1000, .offset = 0};; page.offset += page.limit) {
    TRY_ASSIGN(const Page<InstanceRow> found, world.reader.instances(active, page));
    for (const InstanceRow& row : found.rows) {
      const DagInfoPtr info = world.dags.find(row.dag_id, row.dag_version);
      const int index = info ? info->dag->index_of(row.instance.task_id) : -1;
      if (index < 0) continue;
      const Task& task = info->dag->tasks[static_cast<size_t>(index)];
      Usage& usage = by_pool[task.pool];
      if (row.instance.state == TaskState::scheduled) usage.scheduled += task.pool_slots;
      if (row.instance.state == TaskState::queued) usage.queued += task.pool_slots;
      if (row.instance.state == TaskState::running || row.instance.state == TaskState::restarting)
        usage.running += task.pool_slots;
      if (row.instance.state == TaskState::deferred) usage.deferred += task.pool_slots;
    }
    if (page.offset + page.limit >= found.total) return by_pool;
  }
}

Value show_pool(const Pool& pool, const Usage& usage) {
  const int64_t occupied = usage.running + usage.queued + (pool.include_deferred ? usage.deferred : 0);
  return Value::Map{{"name", pool.name},
                    {"slots", pool.slots},
                    {"description", text_or_null(pool.description)},
                    {"include_deferred", pool.include_deferred},
                    {"occupied_slots", occupied},
                    {"running_slots", usage.running},
                    {"queued_slots", usage.queued},
                    {"scheduled_slots", usage.scheduled},
                    {"open_slots", pool.slots < 0 ? int64_t{-1} : std::max<int64_t>(0, pool.slots - occupied)},
                    {"deferred_slots", usage.deferred},
                    {"team_name", nullptr}};
}

Result<Value> show_now(World& world, const Pool& pool) {
  TRY_ASSIGN(auto usage, count_usage(world));
  return show_pool(pool, usage[pool.name]);
}

Error missing(const std::string& name) {
  return {ErrorKind::not_found, "The Pool with name: `" + name + "` was not found"};
}

Result<std::optional<Pool>> find(World& world, const std::string& name) {
  TRY_ASSIGN(const std::vector<Pool> pools, world.settings.pools());
  for (const Pool& pool : pools)
    if (pool.name == name) return std::optional<Pool>(pool);
  return std::optional<Pool>();
}

// The loop reads pools when told to. Where none runs, the next one reads them as it starts.
Result<void> tell_loop(World& world) {
  const Result<CommandOutcome> told = world.control.submit(PoolsChanged{});
  if (!told && told.error().kind != ErrorKind::unavailable) return told.error();
  return {};
}

Result<void> put(World& world, const Pool& pool, StoreSettings::Existing existing) {
  const Result<void> done = world.settings.put_pool(pool, existing);
  if (!done && done.error().kind == ErrorKind::conflict)
    return Error{ErrorKind::conflict, "The Pool with name: `" + pool.name + "` already exists"};
  if (!done) return done.error();
  return tell_loop(world);
}

std::optional<Pool> read(BodyFields& body, const Value::List& where, Problems& problems) {
  Pool pool;
  const auto name = body.text("name", BodyFields::Need::required);
  const auto slots = body.integer("slots", -1, slots_max, BodyFields::Need::required);
  pool.description = body.text("description").value_or("");
  pool.include_deferred = body.flag("include_deferred").value_or(false);
  body.text("team_name");
  body.only({"name", "slots", "description", "include_deferred", "team_name"});
  if (name)
    if (const auto problem = problem_of_id(*name)) {
      Value::List at = where;
      at.push_back("name");
      problems.add("value_error", at, "Value error, " + *problem, *name);
    }
  if (!problems.empty()) return std::nullopt;
  pool.name = *name;
  pool.slots = static_cast<int>(*slots);
  return pool;
}

Result<Pool> update(World& world, const std::string& name, BodyFields& body, std::string_view name_member,
                    const std::vector<std::string>& mask, Problems& problems) {
  const auto new_name = body.text(name_member);
  const auto slots = body.integer("slots", -1, slots_max);
  const auto description = body.text("description");
  const auto include_deferred = body.flag("include_deferred");
  body.text("team_name");
  body.only({name_member, "slots", "description", "include_deferred", "team_name"});
  if (!problems.empty()) return Error{ErrorKind::invalid, ""};
  if (new_name && *new_name != name)
    return Error{ErrorKind::invalid, "Invalid body, pool name from request body doesn't match uri parameter"};
  TRY_ASSIGN(std::optional<Pool> pool, find(world, name));
  if (!pool) return missing(name);
  const auto is_wanted = [&](std::string_view field) {
    return mask.empty() || std::find(mask.begin(), mask.end(), field) != mask.end();
  };
  if (slots && is_wanted("slots")) pool->slots = static_cast<int>(*slots);
  if (description && is_wanted("description")) pool->description = *description;
  if (include_deferred && is_wanted("include_deferred")) pool->include_deferred = *include_deferred;
  TRY(put(world, *pool, StoreSettings::Existing::replace));
  return *pool;
}

Result<void> remove(World& world, const std::string& name) {
  if (name == default_pool) return Error{ErrorKind::invalid, "Default Pool can't be deleted"};
  const Result<void> done = world.settings.delete_pool(name);
  if (!done) return done.error().kind == ErrorKind::not_found ? missing(name) : done.error();
  return tell_loop(world);
}

Result<Response> list(World& world, const Call& call) {
  Problems problems;
  QueryFields query(call.request, problems);
  const PageRequest page = query.page();
  const auto pattern = query.text("pool_name_pattern");
  if (!problems.empty()) return problems.response();
  TRY(query.refuse({"pool_name_prefix_pattern"}));
  TRY_ASSIGN(const std::string order, query.order_by("id", {{"id", "name"}, {"name", "name"}, {"pool", "name"}}));
  TRY_ASSIGN(std::vector<Pool> pools, world.settings.pools());
  std::sort(pools.begin(), pools.end(),
            [&](const Pool& a, const Pool& b) { return order == "name" ? a.name < b.name : b.name < a.name; });
  if (pattern) std::erase_if(pools, [&](const Pool& pool) { return pool.name.find(*pattern) == std::string::npos; });
  TRY_ASSIGN(auto usage, count_usage(world));
  Value::List rows;
  for (size_t i = static_cast<size_t>(page.offset); i < pools.size() && rows.size() < static_cast<size_t>(page.limit);
       ++i)
    rows.push_back(show_pool(pools[i], usage[pools[i].name]));
  return json_response(200, show_list("pools", std::move(rows), static_cast<int64_t>(pools.size())));
}

Result<Response> bulk(World& world, const Call& call) {
  BulkSubject subject;
  subject.id_member = "name";
  subject.exists = [&](const std::string& name) -> Result<bool> {
    TRY_ASSIGN(const auto found, find(world, name));
    return found.has_value();
  };
  const auto write = [&](const Value& entity, const Value::List& where, Problems& problems,
                         StoreSettings::Existing existing) -> Result<void> {
    BodyFields body(entity, where, problems);
    const auto pool = read(body, where, problems);
    return pool ? put(world, *pool, existing) : Result<void>();
  };
  subject.create = [&](const Value& entity, const Value::List& where, Problems& problems) {
    return write(entity, where, problems, StoreSettings::Existing::refuse);
  };
  subject.replace = [&](const Value& entity, const Value::List& where, Problems& problems) {
    return write(entity, where, problems, StoreSettings::Existing::replace);
  };
  subject.update = [&](const Value& entity, const std::vector<std::string>& mask, const Value::List& where,
                       Problems& problems) -> Result<void> {
    BodyFields body(entity, where, problems);
    TRY(update(world, entity.text("name"), body, "name", mask, problems));
    return {};
  };
  subject.remove = [&](const std::string& name) { return remove(world, name); };
  return carry_out_bulk(call, subject);
}

}  // namespace

void add_pools(Router& router, World& world) {
  const Access viewer = at_least(Role::viewer), op = at_least(Role::op);
  const std::string one = "/api/v2/pools/{pool_name}";
  router.add("GET", "/api/v2/pools", viewer, "Pools, and how full they are",
             [&world](const Call& call) { return list(world, call); });
  router.add("PATCH", "/api/v2/pools", op, "Adds, changes or deletes many pools",
             [&world](const Call& call) { return bulk(world, call); });
  router.add("POST", "/api/v2/pools", op, "Adds a pool", [&world](const Call& call) -> Result<Response> {
    Problems problems;
    BodyFields body(call.request, problems);
    const auto pool = read(body, {"body"}, problems);
    if (!pool) return problems.response();
    TRY(put(world, *pool, StoreSettings::Existing::refuse));
    TRY_ASSIGN(const Value shown, show_now(world, *pool));
    return json_response(201, shown);
  });
  router.add("GET", one, viewer, "A pool", [&world](const Call& call) -> Result<Response> {
    TRY_ASSIGN(const auto pool, find(world, call.part("pool_name")));
    if (!pool) return missing(call.part("pool_name"));
    TRY_ASSIGN(const Value shown, show_now(world, *pool));
    return json_response(200, shown);
  });
  router.add("PATCH", one, op, "Changes a pool", [&world](const Call& call) -> Result<Response> {
    Problems problems;
    BodyFields body(call.request, problems);
    const Result<Pool> pool = update(world, call.part("pool_name"), body, "pool",
                                     QueryFields(call.request, problems).texts("update_mask"), problems);
    if (!problems.empty()) return problems.response();
    if (!pool) return pool.error();
    TRY_ASSIGN(const Value shown, show_now(world, *pool));
    return json_response(200, shown);
  });
  router.add("DELETE", one, op, "Deletes a pool", [&world](const Call& call) -> Result<Response> {
    TRY(remove(world, call.part("pool_name")));
    return no_content();
  });
}

}  // namespace udon::web
