#include "plugins/api/plugin_host.h"

#include <dlfcn.h>

#include <catch2/catch.hpp>

using namespace udon;

namespace {

Path objects() { return executable_folder() / "plugins"; }

Error refusal(const std::string& object) {
  PluginHost host(objects());
  const auto found = host.find(object, "answer");
  REQUIRE_FALSE(found);
  // The file is named, so that an administrator knows which one to replace.
  CHECK(found.error().message.find((objects() / object).string()) != std::string::npos);
  return found.error();
}

}  // namespace

TEST_CASE("an object of the same build is opened once and gives its operators") {
  PluginHost host(objects());
  const auto found = host.find("answer.so", "answer");
  if (!found) FAIL(found.error().message);
  CHECK((*found)->spec.summary == "Answers.");
  CHECK((*found)->functions->make_operator() != nullptr);
  CHECK(*host.find("answer.so", "answer") == *found);
}

TEST_CASE("an operator that an object doesn't have is not found") {
  PluginHost host(objects());
  CHECK(host.find("answer.so", "question").error().kind == ErrorKind::not_found);
  CHECK(host.find("none.so", "answer").error().kind == ErrorKind::not_found);
  CHECK(host.find("../plugins/answer.so", "answer").error().kind == ErrorKind::not_found);
}

TEST_CASE("an object of another build is refused with what differs") {
  for (const auto& [object, words] :
       {std::pair("other_api.so", "plugin API 99"), std::pair("other_compiler.so", "compiler elderly"),
        std::pair("other_abi.so", "C++ ABI 7"), std::pair("other_arrow.so", "Arrow 1.2.3")}) {
    const Error error = refusal(object);
    CHECK(error.kind == ErrorKind::unsupported);
    INFO(error.message);
    CHECK(error.message.find(std::string("is refused: it was built for ") + words) != std::string::npos);
  }
}

TEST_CASE("an object that contradicts itself or is no plugin is refused") {
  CHECK(refusal("contradictory.so").message.find("described as sensor") != std::string::npos);
  CHECK(refusal("undescribed.so").kind == ErrorKind::invalid);
  const Path text = objects() / "text.so";
  REQUIRE(write_file_atomically(text, "no ELF", Durability::survives_kill));
  CHECK(refusal("text.so").kind == ErrorKind::invalid);
}

TEST_CASE("what an object defines is not seen by others") {
  PluginHost host(objects());
  REQUIRE(host.find("answer.so", "answer"));
  CHECK(dlsym(RTLD_DEFAULT, "udon_plugin_v1") == nullptr);
}
