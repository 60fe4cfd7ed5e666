// A PostgreSQL reader whose session is lost, while the snapshot is not.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <mutex>

#include "plugins/data/copy_again.h"
#include "plugins/data/recast_reader.h"
#include "plugins/db/postgres/session.h"
#include "tests/base/temporary_folder.h"
#include "tests/data/hooked_reader.h"
#include "tests/support/eventually.h"
#include "tests/support/services.h"

namespace udon::data {
namespace {

struct RejoinFixture {
  udon::test::Services services;
  Connection connection = services.postgres();
  std::unique_ptr<PostgresSession> session;
  std::mutex mutex;  // of the session, when reading threads use it
  TemporaryFolder folder;
  SystemClock clock;
  std::vector<std::string> notes;

  // 48 MB in 16 ranges, with values that are no number and times that are no time.
  RejoinFixture() {
    auto connected = PostgresSession::connect(connection);
    REQUIRE(connected);
    session = std::move(*connected);
    run("set client_min_messages = error; drop schema if exists rejoin_test cascade; create schema rejoin_test");
    run("create table rejoin_test.t (id int primary key, f float8, at timestamptz, filler text)");
    run("insert into rejoin_test.t select i, case when i % 10 = 0 then 'NaN' else i / 4.0 end, case when i % 7 = 0 "
        "then "
        "'infinity' else timestamptz '2026-01-01' + i * interval '1 s' end, '우동 ' || repeat(md5(i::text), 15) from "
        "generate_series(1, 100000) i");
    // Sessions that no other test's are taken for.
    run("drop role if exists rejoin_reader; create role rejoin_reader login password 'rejoin'; grant usage on schema "
        "rejoin_test to rejoin_reader; grant select on rejoin_test.t to rejoin_reader");
    connection.login = "rejoin_reader", connection.password = "rejoin";
  }
  void run(const std::string& sql) {
    const std::lock_guard lock(mutex);
    const auto done = session->execute(sql);
    INFO((done ? "" : done.error().message));
    if (!done) throw std::runtime_error(done.error().message);
  }
  // How many were ended.
  size_t end_sessions(const std::string& condition) {
    const std::lock_guard lock(mutex);
    const auto ended = session->query(
        "select pg_terminate_backend(pid, 30000) from (select pid from pg_stat_activity where usename = "
        "'rejoin_reader' and " +
        condition + ") s");
    return ended ? ended->rows.size() : 0;
  }

  CopyRequest request(int readers) {
    CopyRequest copy;
    copy.table.table = "rejoin_test.t";
    for (const char* name : {"id", "f", "at", "filler"})
      copy.table.columns.push_back({.source_name = name, .name = name, .mask = "", .type = ""});
    copy.table.columns[1].type = "decimal(12,2)";
    copy.table.policies.nan = "null";
    copy.table.policies.infinity = "null";
    copy.table.split.into = readers;
    copy.table.certify = CertifyLevel::source;
    copy.folder = folder.path();
    copy.clock = &clock;
    copy.memory_bytes = 48 << 20;  // enough for four readers
    copy.on_note = [this](const std::string& note) {
      const std::lock_guard lock(mutex);
      notes.push_back(note);
    };
    return copy;
  }
  std::unique_ptr<TableReader> reader(test::HookedReader::OnBatch on_batch) const {
    return std::make_unique<test::HookedReader>(make_recast_reader(make_postgres_reader(connection)),
                                                std::move(on_batch));
  }
  Certificate of_one_reader() {
    const auto reader = make_recast_reader(make_postgres_reader(connection));
    const auto copied = copy_table(*reader, request(1), {});
    REQUIRE(copied);
    for (const Path& file : copied->files) std::filesystem::remove(file);
    return copied->certificate;
  }
  bool has_notes() {
    const std::lock_guard lock(mutex);
    return !notes.empty();
  }
  int64_t files() const { return std::distance(std::filesystem::directory_iterator(folder.path()), {}); }
};

constexpr const char* has_read = "query like 'copy (select%'";

void require_same(const Certificate& a, const Certificate& b) {
  CHECK(a.rows == b.rows);
  CHECK(a.row_sum == b.row_sum);
  CHECK(a.columns == b.columns);
  const auto sorted = [](std::vector<PolicyUse> uses) {
    std::ranges::sort(uses, {}, [](const PolicyUse& use) { return use.column + use.policy; });
    return uses;
  };
  CHECK(sorted(a.policies) == sorted(b.policies));
}

TEST_CASE("a reader whose session is ended rejoins the snapshot, and no row is lost or doubled") {
  RejoinFixture f;
  const Certificate one = f.of_one_reader();
  CHECK(one.policies.size() == 2);
  // Of a chunk a range, most of what the lost reader has read is kept; of none, all of it comes again.
  const int64_t chunk_bytes = GENERATE(int64_t{1}, int64_t{1} << 40);
  constexpr size_t last = 3;
  size_t ended = 0;
  const auto reader = f.reader([&](size_t source, const SourceBatch&) {
    // The others leave it something to do.
    if (source != last)
      static_cast<void>(udon::test::eventually([&] { return f.has_notes(); }, std::chrono::seconds(120)));
    if (source != last || ended > 0) return;
    // Another snapshot would show this.
    f.run("delete from rejoin_test.t where id % 3 = 0; update rejoin_test.t set f = 0, at = 'infinity'");
    ended = f.end_sessions("true order by backend_start desc limit 1");
  });
  CopyRequest request = f.request(4);
  request.chunk_bytes = chunk_bytes;
  const auto copied = copy_table(*reader, request, {});
  INFO((copied ? copied->certificate.mechanism : copied.error().message));
  REQUIRE(copied);
  CHECK(ended == 1);
  require_same(copied->certificate, one);
  CHECK(copied->certificate.mechanism.find("; 1 session was lost and rejoined the snapshot") != std::string::npos);
  REQUIRE(f.notes.size() == 1);
  CHECK(f.notes[0].find("has rejoined the snapshot") != std::string::npos);
  CHECK(f.files() == static_cast<int64_t>(copied->files.size()));
  CHECK(copied->files.size() == (chunk_bytes == 1 ? 16U : 4U));
}

TEST_CASE("where the snapshot's holder is gone too, all is read again from another") {
  RejoinFixture f;
  std::atomic<int> batches = 0;
  std::atomic<bool> has_ended = false;
  size_t ended = 0;
  std::vector<std::string> again;
  const auto copied = copy_table_again(
      [&] {
        return f.reader([&](size_t, const SourceBatch&) {
          // Nobody is done before all are ended.
          if (++batches != 1) {
            static_cast<void>(udon::test::eventually([&] { return has_ended.load(); }, std::chrono::seconds(120)));
            return;
          }
          f.run("delete from rejoin_test.t where id % 3 = 0");
          ended = f.end_sessions("true");
          has_ended = true;
        });
      },
      f.request(4), {}, [&](const Error& error) { again.push_back(error.message); });
  INFO((copied ? copied->certificate.mechanism : copied.error().message));
  REQUIRE(copied);
  CHECK(ended == 5);
  REQUIRE(again.size() == 1);
  CHECK(again[0].find("the snapshot cannot be rejoined") != std::string::npos);
  require_same(copied->certificate, f.of_one_reader());
  CHECK(f.notes.empty());
}

TEST_CASE("one reader alone has the snapshot itself: where it is lost all is read again, once, and that is told") {
  RejoinFixture f;
  std::vector<std::string> again;
  size_t ended = 0;
  const auto copied = copy_table_again(
      [&] {
        return f.reader([&](size_t, const SourceBatch&) {
          if (ended > 0) return;
          f.run("delete from rejoin_test.t where id % 3 = 0");
          ended = f.end_sessions(has_read);
        });
      },
      f.request(1), {}, [&](const Error& error) { again.push_back(error.message); });
  INFO((copied ? copied->certificate.mechanism : copied.error().message));
  REQUIRE(copied);
  CHECK(ended == 1);
  REQUIRE(again.size() == 1);
  CHECK(again[0].find("rejoined") == std::string::npos);  // nor does it say that it could be
  CHECK(f.notes.empty());
  require_same(copied->certificate, f.of_one_reader());
}

TEST_CASE("a reader that is lost over and over ends the export, which says so and leaves nothing") {
  RejoinFixture f;
  const auto reader = f.reader([&](size_t, const SourceBatch&) { f.end_sessions(has_read); });
  const auto copied = copy_table(*reader, f.request(4), {});
  REQUIRE_FALSE(copied);
  INFO(copied.error().message);
  CHECK(copied.error().kind == ErrorKind::unavailable);
  CHECK(copied.error().message.find("the same reader was lost 4 times in a row") != std::string::npos);
  CHECK(f.files() == 0);
}

}  // namespace
}  // namespace udon::data
