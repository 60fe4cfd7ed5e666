// Two that publish to one target of the real store at the same time: stopped at each request in turn, killed, or ended
// by somebody else.
#include <condition_variable>
#include <thread>

#include "tests/data/s3_target.h"

namespace udon::data {
namespace {

using namespace test_target;
using test::FaultReply;
using test::SeenRequest;
using test::StoreProxy;

// Where a try is held up: before a request reaches the store, or before its answer is heard.
struct Place {
  std::string name;
  std::string method;
  std::string in_target;
  bool is_answered = false;
};
const std::vector<Place> places{
    {"before it begins", "POST", "?uploads="},
    {"begun, its id not yet heard", "POST", "?uploads=", true},
    {"before the first part", "PUT", "partNumber=1"},
    {"before the second part", "PUT", "partNumber=2"},
    {"before it completes", "POST", "?uploadId="},
    {"completed, the answer not yet heard", "POST", "?uploadId=", true},
    {"before its manifest", "PUT", "_manifest.json"},
};

Connection through(const StoreProxy& proxy) {
  Connection connection = store_connection();
  connection.extra.set("endpoint_url", proxy.url());
  return connection;
}

// A try in a thread of its own that is held up at one place until it is let go.
class HeldTry {
 public:
  HeldTry(PublishRequest request, Place place)
      : request_(std::move(request)),
        place_(std::move(place)),
        proxy_(
            store_connection().option("endpoint_url"), [this](int, const SeenRequest& seen) { return at(seen, false); },
            [this](int, const SeenRequest& seen) { return at(seen, true); }),
        thread_([this] {
          const auto store = test::open_store(through(proxy_), bucket);
          auto result = publish(*store, request_);
          const std::lock_guard lock(mutex_);
          result_ = std::move(result);
          changed_.notify_all();
        }) {}
  ~HeldTry() { let_go(); }
  HeldTry(const HeldTry&) = delete;
  HeldTry& operator=(const HeldTry&) = delete;

  // True: it stands there. False: it has ended without coming there.
  bool wait_until_held() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(60), [this] { return is_held_ || result_; }));
    return is_held_;
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    is_let_go_ = true;
    changed_.notify_all();
  }
  Result<Published> end() {
    let_go();
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(60), [this] { return result_.has_value(); }));
    return *result_;
  }

 private:
  std::optional<FaultReply> at(const SeenRequest& seen, bool is_answered) {
    if (seen.method != place_.method || is_answered != place_.is_answered ||
        seen.target.find(place_.in_target) == std::string::npos)
      return std::nullopt;
    std::unique_lock lock(mutex_);
    is_held_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return is_let_go_; });
    return std::nullopt;
  }

  const PublishRequest request_;
  const Place place_;
  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  bool is_held_ = false;
  bool is_let_go_ = false;
  std::optional<Result<Published>> result_;
  StoreProxy proxy_;
  std::jthread thread_;
};

// Of two parts.
std::string large(const std::string& name) { return content_of(name, (5 << 20) + 100); }

void require_overtaken(const Result<Published>& early, const std::string& by) {
  REQUIRE_FALSE(early);
  INFO(early.error().message);
  CHECK(early.error().kind == ErrorKind::conflict);
  CHECK_THAT(early.error().message, Catch::Contains("was published by try " + by + ", which is later") &&
                                        Catch::Contains("give each export a target of its own") &&
                                        Catch::Contains("pool of one slot"));
}

TEST_CASE("wherever the earlier of two is held up while the later publishes, it is not disturbed but overtaken") {
  for (const Place& place : places) {
    INFO(place.name);
    Target target;
    if (place.is_answered) REQUIRE(target.publish(target.request("home-1", "old")));
    const std::string late = large("late");
    HeldTry early(target.request("home-7", large("early")), place);
    REQUIRE(early.wait_until_held());
    const auto by_late = target.publish(target.request("home-8", late));
    if (!by_late) FAIL(by_late.error().message);
    require_overtaken(early.end(), "home-8");
    target.require_finished(late, "home-8");
  }
  require_no_parts_left();
}

TEST_CASE("wherever the later of two is held up while the earlier publishes, it wins at its end") {
  for (const Place& place : places) {
    INFO(place.name);
    Target target;
    if (!place.is_answered) REQUIRE(target.publish(target.request("home-1", "old")));
    const std::string late = large("late");
    HeldTry later(target.request("home-8", late), place);
    REQUIRE(later.wait_until_held());
    const auto by_early = target.publish(target.request("home-7", large("early")));
    // The later one's object may be there already.
    if (!by_early) require_overtaken(by_early, "home-8");
    const auto by_late = later.end();
    if (!by_late) FAIL(by_late.error().message);
    target.require_finished(late, "home-8");
  }
  require_no_parts_left();
}

TEST_CASE("of two that are both under way, the later one wins, whichever goes on first") {
  for (const Place& of_early : places) {
    for (const Place& of_late : places) {
      // The places in the middle differ by nothing that the other could see.
      if (of_early.in_target == "partNumber=1" || of_late.in_target == "partNumber=2") continue;
      const bool goes_on_first = of_early.is_answered != of_late.is_answered;
      INFO("early " << of_early.name << ", late " << of_late.name << ", early first: " << goes_on_first);
      Target target;
      const std::string late = large("late");
      HeldTry early(target.request("home-7", large("early")), of_early);
      REQUIRE(early.wait_until_held());
      HeldTry later(target.request("home-8", late), of_late);
      REQUIRE(later.wait_until_held());
      Result<Published> by_early, by_late;
      if (goes_on_first) {
        by_early = early.end();
        by_late = later.end();
      } else {
        by_late = later.end();
        by_early = early.end();
      }
      if (!by_late) FAIL(by_late.error().message);
      if (!goes_on_first || !by_early) require_overtaken(by_early, "home-8");
      target.require_finished(late, "home-8");
    }
  }
  require_no_parts_left();
}

// {what was begun at this target and not ended}
std::vector<std::string> begun_at(Target& target) {
  const auto begun = target.store->begun_uploads(target.to + "part-00000.parquet");
  REQUIRE(begun);
  std::vector<std::string> ids;
  for (const BegunUpload& upload : *begun) ids.push_back(upload.id);
  return ids;
}

TEST_CASE("an upload is its process's until that is dead, and the next try's to abort from then on") {
  for (const Place& place : places) {
    if (place.method != "POST" && place.in_target != "partNumber=2") continue;
    if (place.in_target == "?uploadId=" && place.is_answered) continue;  // nothing is left to abort
    INFO(place.name);
    Target target;
    std::atomic<bool> is_held = false, is_let_go = false;
    const auto hold = [&](const SeenRequest& seen, bool is_answered) -> std::optional<FaultReply> {
      if (seen.method != place.method || is_answered != place.is_answered ||
          seen.target.find(place.in_target) == std::string::npos)
        return std::nullopt;
      is_held = true;
      test::eventually([&] { return is_let_go.load(); });
      return test::hang_up();
    };
    StoreProxy proxy(
        store_connection().option("endpoint_url"), [&](int, const SeenRequest& seen) { return hold(seen, false); },
        [&](int, const SeenRequest& seen) { return hold(seen, true); });
    const Victim victim(target.request("home-7", large("early")), proxy.url());
    const bool is_there = test::eventually([&] { return is_held.load(); });
    const auto before = begun_at(target);
    // Stopped: as slow as can be, and alive.
    ::kill(victim.pid, SIGSTOP);
    const auto by_late = target.publish(target.request("home-8", "late"));
    const auto after = begun_at(target);
    ::kill(victim.pid, SIGKILL);
    is_let_go = true;
    CHECK_FALSE(victim.lived());
    REQUIRE(is_there);
    if (!by_late) FAIL(by_late.error().message);
    CHECK(before == after);
    CHECK(before.size() == (place.is_answered || place.in_target != "?uploads=" ? 1 : 0));
    REQUIRE(target.publish(target.request("home-9", "last")));
    CHECK(begun_at(target).empty());
    target.require_finished("last", "home-9");
  }
  require_no_parts_left();
}

// Killed when the store has begun its upload and before it hears the id.
void leave_unheard(Target& target, const std::string& try_id) {
  std::atomic<pid_t> pid = 0;
  const auto kill_at = [&](int, const SeenRequest& seen) -> std::optional<FaultReply> {
    if (seen.method != "POST" || seen.target.find("?uploads=") == std::string::npos) return std::nullopt;
    test::eventually([&] { return pid != 0; });
    ::kill(pid, SIGKILL);
    return test::hang_up();
  };
  StoreProxy proxy(store_connection().option("endpoint_url"), {}, kill_at);
  const Victim victim(target.request(try_id, large("dead")), proxy.url());
  pid = victim.pid;
  REQUIRE_FALSE(victim.lived());
}

TEST_CASE("what a dead try began unheard is not looked for while a living one begins, for it could be that one's") {
  Target target;
  HeldTry living(target.request("home-6", large("living")), places.at(1));
  REQUIRE(living.wait_until_held());
  leave_unheard(target, "home-5");
  const auto before = begun_at(target);
  CHECK(before.size() == 2);
  const auto by_late = target.publish(target.request("home-8", "late"));
  if (!by_late) FAIL(by_late.error().message);
  CHECK(begun_at(target) == before);
  // Now that it hears its own, it sees to the dead one's.
  require_overtaken(living.end(), "home-8");
  target.require_finished("late", "home-8");
  require_no_parts_left();
}

TEST_CASE("what another installation is sending is left alone, also when a dead try of ours had begun one long ago") {
  Target target;
  const std::string uri = target.to + "part-00000.parquet";
  const Path file = test::write_test_file(target.folder.path() / "theirs", large("theirs"));
  const auto theirs = target.store->upload(file, uri, {}, 5 << 20, {});
  REQUIRE(theirs);
  const auto before = begun_at(target);
  REQUIRE(target.publish(target.request("home-1", "first")));
  CHECK(begun_at(target) == before);

  leave_unheard(target, "home-2");
  CHECK(begun_at(target).size() == 2);
  using namespace std::chrono_literals;
  for (const auto& entry : std::filesystem::directory_iterator(target.folder.path() / "home" / "uploads"))
    std::filesystem::last_write_time(entry.path(), std::filesystem::file_time_type::clock::now() - 2h);
  REQUIRE(target.publish(target.request("home-3", "second")));
  CHECK(begun_at(target).size() == 2);
  target.require_finished("second", "home-3");
  for (const std::string& id : begun_at(target)) {
    Value state = Value::map();
    state.set("uri", uri);
    state.set("upload_id", id);
    REQUIRE(target.store->abort(state));
  }
  require_no_parts_left();
}

TEST_CASE("a try whose upload somebody elsewhere has ended says so, and who is there now") {
  for (const std::string now : {"", "away-3", "home-9"}) {
    for (const size_t at : {size_t{3}, size_t{4}}) {
      INFO(now << " " << places.at(at).name);
      Target target;
      HeldTry ours(target.request("home-7", large("ours")), places.at(at));
      REQUIRE(ours.wait_until_held());
      const auto mine = begun_at(target);
      REQUIRE(mine.size() == 1);
      Value state = Value::map();
      state.set("uri", target.to + "part-00000.parquet");
      state.set("upload_id", mine[0]);
      REQUIRE(target.store->abort(state));
      if (!now.empty()) REQUIRE(target.publish(target.request(now, "theirs", "away")));
      const auto result = ours.end();
      if (now == "home-9") {
        require_overtaken(result, now);
      } else if (now == "away-3" && places.at(at).in_target == "?uploadId=") {
        // First it is told that another object has come, as it is of one that is there already: it replaces that.
        if (!result) FAIL(result.error().message);
      } else {
        REQUIRE_FALSE(result);
        INFO(result.error().message);
        CHECK(result.error().kind == ErrorKind::conflict);
        CHECK_THAT(result.error().message,
                   Catch::StartsWith("somebody has ended our upload before it was whole: ") &&
                       Catch::Contains(now.empty() ? "an export of another installation or machine to the same target"
                                                   : "What is there now is of try away-3") &&
                       Catch::Contains("a pool of one slot"));
      }
      if (result)
        target.require_finished(large("ours"), "home-7");
      else if (now.empty())
        CHECK(target.names().empty());
      else
        target.require_finished("theirs", now);
      CHECK(std::filesystem::is_empty(target.folder.path() / "home" / "uploads"));
    }
  }
  require_no_parts_left();
}

TEST_CASE("an upload that the store throws away when it refuses to complete it is sent again") {
  Target target;
  const std::string content = large("ours");
  std::atomic<int> completions = 0;
  const auto refuse = [&](int, const SeenRequest& seen) -> std::optional<FaultReply> {
    if (seen.method != "POST" || seen.target.find("?uploadId=") == std::string::npos || completions++ > 0)
      return std::nullopt;
    for (const std::string& id : begun_at(target)) {
      Value state = Value::map();
      state.set("uri", target.to + "part-00000.parquet");
      state.set("upload_id", id);
      CHECK(target.store->abort(state));
    }
    return test::reply(409, "<Error><Code>ConditionalRequestConflict</Code><Message>Once more.</Message></Error>");
  };
  StoreProxy proxy(store_connection().option("endpoint_url"), refuse, {});
  const auto store = test::open_store(through(proxy), bucket);
  const auto published = publish(*store, target.request("home-7", content));
  if (!published) FAIL(published.error().message);
  CHECK(completions == 3);
  target.require_finished(content, "home-7");
  require_no_parts_left();
}

}  // namespace
}  // namespace udon::data
