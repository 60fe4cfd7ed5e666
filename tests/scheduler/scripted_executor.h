#pragma once
// An executor that does what a test says, and nothing by itself.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "executor/executor.h"

namespace udon::testing {

class ScriptedExecutor final : public Executor {
 public:
  ScriptedExecutor(std::string name, TryKind kind, int slots) : name_(std::move(name)), kind_(kind), slots_(slots) {}

  std::vector<std::string> queues = {"default"};
  std::optional<Error> refusal;         // of the next starts
  std::map<Fence, TryRequest> started;  // handed over, by fence
  std::vector<Fence> killed;
  std::vector<Fence> adopted;
  std::vector<Fence> acknowledged;
  std::vector<TryId> left_over;
  bool is_slow = false;  // it does not answer to adopt by itself

  void report(const TryId& id, decltype(Report::what) what) {
    reports_.push_back({.try_id = id, .what = std::move(what)});
  }
  void set_slots(int slots) { slots_ = slots; }
  // The machine has lost everything it held.
  void forget() { live_.clear(); }

  std::string name() const override { return name_; }
  bool takes(TryKind kind, const std::string& queue) const override {
    return kind == kind_ && std::ranges::find(queues, queue) != queues.end();
  }
  bool is_for(TryKind kind) const override { return kind == kind_; }
  int free_slots() const override { return slots_ - static_cast<int>(live_.size()); }
  Result<void> start(const TryRequest& request) override {
    if (refusal) return *refusal;
    started[request.try_id.fence] = request;
    live_[request.try_id.fence] = request.try_id;
    return {};
  }
  std::vector<Report> poll() override { return std::exchange(reports_, {}); }
  void acknowledge(const TryId& id) override {
    acknowledged.push_back(id.fence);
    live_.erase(id.fence);
  }
  void kill(const TryId& id, EndCause, const std::string&) override { killed.push_back(id.fence); }
  void adopt(const TryRequest& request) override {
    adopted.push_back(request.try_id.fence);
    if (!is_slow && !live_.contains(request.try_id.fence)) report(request.try_id, TryUnknown{});
  }
  std::vector<TryId> leftovers() override { return left_over; }
  std::vector<TryId> running() const override {
    std::vector<TryId> ids;
    for (const auto& [fence, id] : live_) ids.push_back(id);
    return ids;
  }

 private:
  std::string name_;
  TryKind kind_;
  int slots_;
  std::map<Fence, TryId> live_;
  std::vector<Report> reports_;
};

}  // namespace udon::testing
