// Answers on the command line of `udon dags test`, and whoever sits at its terminal.
#include "cli/test_answers.h"

#include <sstream>

#include "tests/web/api_scene.h"

namespace udon::cli {
namespace {

using namespace udon::test;

// A run of which `first` and `second` wait for people.
struct Asking : ApiScene {
  Asking() {
    commit({InsertRun{run, ""}, InsertInstances{{make_instance(1, 1, "first"), make_instance(2, 1, "second")}}});
    ask(1, "first", 11);
    ask(2, "second", 12);
  }
  void ask(InstanceNumber number, const std::string& task, Fence fence) {
    const ChangeInstance queued = start_try(make_instance(number, 1, task), fence);
    commit({queued});
    const ChangeInstance runs = move_to(queued.row, TaskState::running, MoveCause::report);
    commit({runs});
    AskedQuestion asked{.instance = number, .try_number = 1, .asked_at = t0};
    asked.question = {.subject = task + "?", .options = {"yes", "no"}};
    commit({move_to(runs.row, TaskState::deferred, MoveCause::report), PutQuestion{asked}});
  }
  Result<void> answer(TestAnswers& answers) {
    Output output(out, err, Format::table, Terminal{});
    return answers.answer(store.reader(), control, run, output);
  }
  const DagRun run = make_run(1, "orders");
  std::ostringstream out, err;
};

TEST_CASE("an answer that was given does not wait for the one that is asked at the terminal") {
  Asking scene;
  auto answers = TestAnswers::make({"second=no"}, {}, true);
  REQUIRE(answers);
  REQUIRE(scene.answer(*answers));
  REQUIRE(scene.control.commands.size() == 1);
  CHECK(scene.control.last<AnswerQuestion>().key.task_id == "second");
  CHECK(scene.control.last<AnswerQuestion>().chosen == std::vector<std::string>{"no"});
  CHECK_THAT(scene.out.str(), Catch::Contains("first asks: first?"));
}

TEST_CASE("an answer that comes too late is told, and the run goes on; one that is wrong ends it") {
  Asking scene;
  scene.control.answer = [](const Command&) { return Error{ErrorKind::conflict, "it was answered by ada"}; };
  auto answers = TestAnswers::make({"first=yes", "second=no"}, {}, false);
  REQUIRE(answers);
  REQUIRE(scene.answer(*answers));
  REQUIRE(scene.answer(*answers));
  CHECK(scene.control.commands.size() == 2);
  CHECK_THAT(scene.err.str(), Catch::Contains("the answer for `second`: it was answered by ada"));
  scene.control.answer = [](const Command&) { return Error{ErrorKind::invalid, "there is no such option"}; };
  answers = TestAnswers::make({"first=maybe", "second=no"}, {}, false);
  REQUIRE(answers);
  const auto refused = scene.answer(*answers);
  REQUIRE(!refused);
  CHECK(refused.error().kind == ErrorKind::invalid);
}

TEST_CASE("who is not there to be asked has not kept what was given from being answered") {
  Asking scene;
  auto answers = TestAnswers::make({"second=yes"}, {}, false);
  REQUIRE(answers);
  const auto unanswered = scene.answer(*answers);
  REQUIRE(!unanswered);
  CHECK_THAT(unanswered.error().message, Catch::Contains("`first` asks \"first?\""));
  CHECK(scene.control.commands.size() == 1);
}

}  // namespace
}  // namespace udon::cli
