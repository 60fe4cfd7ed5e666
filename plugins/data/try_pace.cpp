#include "plugins/data/try_pace.h"

#include <utility>

namespace udon::data {

std::unique_ptr<Pace> make_pace(TaskContext& context, const std::string& id, const Connection& connection) {
  std::unique_ptr<SourceObserver> observer = make_source_observer(connection, context.clock());
  if (!observer) return nullptr;
  return std::make_unique<Pace>(
      Pace::Options{.connection = id,
                    .source = source_of(connection),
                    .ask = [&context](const SourceAsk& ask) { return context.ask_source(ask); },
                    .observer = std::move(observer),
                    .log = [&context](const std::string& line) { context.log(line); },
                    .clock = context.clock()});
}

StatementPace::StatementPace(TaskContext& context, const std::string& id, const Connection& connection)
    : pass_on_(context.stop_token(), [this] { stop_.request_stop(); }), pace_(make_pace(context, id, connection)) {}

Result<void> StatementPace::begin(Pace::Standing standing) {
  if (!pace_) return {};
  TRY(pace_->begin(
      1, token(), [this] { stop_.request_stop(); }, standing));
  has_begun_ = true;
  return {};
}

Error StatementPace::explain(const Error& error) const {
  if (has_begun_)
    if (auto failure = pace_->failure()) return *std::move(failure);
  return error;
}

}  // namespace udon::data
