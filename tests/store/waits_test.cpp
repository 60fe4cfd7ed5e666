// Questions to people and deferrals mean the same in every store.
#include "tests/store/scene.h"

using namespace udon;
using namespace udon::test;

namespace {

AskedQuestion make_question(InstanceNumber instance, int try_number = 1) {
  AskedQuestion asked{.instance = instance, .try_number = try_number, .asked_at = t0 + instance * 1s};
  asked.question = {.subject = "주문을 내보낼까요? " + std::to_string(instance),
                    .body = "**12,345** rows, 100% of `orders`",
                    .options = {"Approve", "Reject"},
                    .defaults = {"Reject"},
                    .multiple = false,
                    .params = {{"remark", Value::Map{{"type", "string"}}, Value("")}, {"count", Value::map(), {}}},
                    .assignees = {"ada", "유진"},
                    .reject = "Reject",
                    .rejects_far = true,
                    .fails_on_reject = true};
  return asked;
}

Answer make_answer(const std::string& user) {
  return {.at = t0 + 1h, .user = user, .chosen = {"Approve"}, .params_input = Value::Map{{"remark", "좋아요"}}};
}

Deferral make_deferral(InstanceNumber instance) {
  return {.instance = instance,
          .try_number = 1,
          .fence = 7,
          .started_at = t0,
          .since = t0 + 1min,
          .what = {.state = Value::Map{{"job", 7}}, .poke_interval = 5s, .timeout = 1h},
          .event = {}};
}

// Runs 1 (orders) and 2 (other), each with tasks `a` and `b`; of run 1, `a` waits at its first try.
void set_up(Scene& scene) {
  scene.commit({InsertRun{make_run(1), {}}, InsertRun{make_run(2, "other"), {}},
                InsertInstances{{make_instance(1, 1, "a"), make_instance(2, 1, "b"), make_instance(3, 2, "a"),
                                 make_instance(4, 2, "b")}}});
  ChangeInstance queued = start_try(make_instance(1, 1, "a"), 7);
  scene.commit({queued});
  scene.commit({move_to(queued.row, TaskState::deferred, MoveCause::report)});
}

std::vector<InstanceNumber> numbers(Scene& scene, const QuestionFilter& filter, PageRequest page = {.limit = 100}) {
  std::vector<InstanceNumber> found;
  for (const QuestionRow& row : must(scene.reader().questions(filter, page)).rows) found.push_back(row.asked.instance);
  return found;
}

using Numbers = std::vector<InstanceNumber>;

}  // namespace

TEST_CASE("a question is read as it was written, with its answer") {
  Scene scene(EVERY_KIND_OF_STORE);
  set_up(scene);
  CHECK(!must(scene.reader().question(1, 1)));
  AskedQuestion asked = make_question(1);
  scene.commit({PutQuestion{asked}});
  CHECK(must(scene.reader().question(1, 1)) == asked);
  CHECK(!must(scene.reader().question(1, 2)));
  CHECK(must(scene.reader().live_questions_of(1)) == std::vector{asked});
  CHECK(must(scene.reader().live_questions_of(2)).empty());
  asked.answer = make_answer("ada");
  scene.commit({PutQuestion{asked}});
  CHECK(must(scene.reader().question(1, 1)) == asked);
  CHECK(scene.refused({PutQuestion{make_question(99)}}).kind == ErrorKind::conflict);
}

TEST_CASE("questions are found by what they are about, those of the last try only") {
  Scene scene(EVERY_KIND_OF_STORE);
  set_up(scene);
  std::vector<Change> changes{PutQuestion{make_question(1)}};
  for (const InstanceNumber number : {2, 3, 4}) {
    AskedQuestion asked = make_question(number, 0);
    asked.asked_at = t0 + number * 1s;
    if (number == 3) asked.answer = make_answer("유진");
    if (number == 4) asked.answer = make_answer("");
    changes.emplace_back(PutQuestion{asked});
  }
  changes.emplace_back(PutQuestion{make_question(4, 5)});  // of a try that is not its last
  scene.commit(changes);
  CHECK(numbers(scene, {}) == Numbers{1, 2, 3, 4});
  CHECK(numbers(scene, {.order_by = "-asked_at"}) == Numbers{4, 3, 2, 1});
  CHECK(numbers(scene, {.order_by = "answered_at"}) == Numbers{1, 2, 3, 4});
  CHECK(numbers(scene, {.dag_ids = {"other"}}) == Numbers{3, 4});
  CHECK(numbers(scene, {.run_ids = {"run1"}, .task_ids = {"b"}}) == Numbers{2});
  CHECK(numbers(scene, {.map_index = 0}) == Numbers{});
  CHECK(numbers(scene, {.states = {TaskState::deferred}}) == Numbers{1});
  CHECK(numbers(scene, {.is_answered = false}) == Numbers{1, 2});
  CHECK(numbers(scene, {.is_answered = true}) == Numbers{3, 4});
  CHECK(numbers(scene, {.answered_by = {"유진"}}) == Numbers{3});
  CHECK(numbers(scene, {.subject_like = "내보낼까요? 2"}) == Numbers{2});
  CHECK(numbers(scene, {.body_like = "100% OF"}) == Numbers{1, 2, 3, 4});
  CHECK(numbers(scene, {.body_like = "1%5"}) == Numbers{});  // no pattern
  CHECK(numbers(scene, {.asked_gte = t0 + 2s, .asked_lte = t0 + 3s}) == Numbers{2, 3});
  const auto page = must(scene.reader().questions({}, {.limit = 1, .offset = 2}));
  CHECK(page.total == 4);
  REQUIRE(page.rows.size() == 1);
  CHECK(page.rows[0].instance.dag_id == "other");
  CHECK(page.rows[0].instance.instance.task_id == "a");
  CHECK(scene.reader().questions({.order_by = "mood"}, {}).error().kind == ErrorKind::invalid);
}

TEST_CASE("a deferral is kept until it is dropped, one for each task instance") {
  Scene scene(EVERY_KIND_OF_STORE);
  set_up(scene);
  Deferral deferral = make_deferral(1);
  scene.commit({PutDeferral{deferral}, PutDeferral{make_deferral(3)}});
  CHECK(must(scene.reader().deferrals_of(1)) == std::vector{deferral});
  deferral.fence = 0;
  deferral.event = Value::Map{{"rows", 3}};
  deferral.what.timeout.reset();
  scene.commit({PutDeferral{deferral}});
  CHECK(must(scene.reader().deferrals_of(1)) == std::vector{deferral});
  scene.commit({DropDeferral{1}, DropDeferral{1}, DropDeferral{99}});
  CHECK(must(scene.reader().deferrals_of(1)).empty());
  CHECK(must(scene.reader().deferrals_of(2)).size() == 1);
  CHECK(scene.refused({PutDeferral{make_deferral(99)}}).kind == ErrorKind::conflict);
}

TEST_CASE("a commit that is refused leaves questions and deferrals as they were, and a deleted run takes them along") {
  Scene scene(EVERY_KIND_OF_STORE);
  set_up(scene);
  const AskedQuestion asked = make_question(1);
  const Deferral deferral = make_deferral(1);
  scene.commit({PutQuestion{asked}, PutDeferral{deferral}});
  AskedQuestion answered = asked;
  answered.answer = make_answer("ada");
  CHECK(scene.refused({PutQuestion{answered}, DropDeferral{1}, InsertRun{make_run(1), {}}}).kind ==
        ErrorKind::conflict);
  CHECK(must(scene.reader().question(1, 1)) == asked);
  CHECK(must(scene.reader().deferrals_of(1)) == std::vector{deferral});
  DagRun run = make_run(1);
  scene.commit({move_to(run, RunState::running)});
  run.state = RunState::running;
  scene.commit({move_to(run, RunState::failed)});
  scene.commit({DeleteRunRows{1, "ada"}});
  CHECK(!must(scene.reader().question(1, 1)));
  CHECK(must(scene.reader().deferrals_of(1)).empty());
}
