#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "plugins/data/increment_kinds.h"
#include "plugins/data/window.h"

namespace udon::data {
namespace {

// One chunk for each window that a run was asked for. A run reads its own window, and again, whole, each window of
// before that lies in the look-back or overlaps: their chunks are replaced by what there is now.
class WindowIncrement final : public Increment {
 public:
  WindowIncrement(const IncrementRequest& request, Window window, Standing standing)
      : request_(request), window_(std::move(window)), standing_(std::move(standing)) {}

  Result<void> lay_out() {
    const Stretch reach{{window_.asked.from.us - window_.late.count(), window_.asked.from.is_instant},
                        window_.asked.to};
    for (const Chunk& chunk : standing_.chunks) {
      TRY_ASSIGN(const Stretch stretch, stretch_of(chunk));
      if (stretch.from.us < reach.to.us && reach.from.us < stretch.to.us)
        again_.push_back({stretch, chunk.run});
      else
        stay_.push_back(chunk);
    }
    std::ranges::sort(again_, {}, [](const Piece& piece) { return piece.stretch.from.us; });
    pieces_ = again_;
    // Of the asked window, what no chunk covers.
    Moment from = window_.asked.from;
    for (const Piece& piece : again_) {
      if (piece.stretch.to.us <= from.us) continue;
      if (piece.stretch.from.us >= window_.asked.to.us) break;
      if (from.us < piece.stretch.from.us) pieces_.push_back({{from, piece.stretch.from}, request_.run});
      from = piece.stretch.to;
    }
    if (from.us < window_.asked.to.us) pieces_.push_back({{from, window_.asked.to}, request_.run});
    std::ranges::sort(pieces_, {}, [](const Piece& piece) { return piece.stretch.from.us; });
    std::vector<Stretch> stretches;
    for (const Piece& piece : pieces_) stretches.push_back(piece.stretch);
    layout_.emplace(window_.by, stretches, request_.timezone);
    return {};
  }

  Result<void> on_catalog(const std::vector<CatalogColumn>& catalog, TableRequest& request) override {
    std::vector<Stretch> stretches;
    for (const Piece& piece : pieces_) stretches.push_back(piece.stretch);
    return ask_for(window_.by, stretches, request_.dialect, catalog, request);
  }
  Layout& layout() override { return *layout_; }

  std::string plan() const override {
    return fmt::format("mode window: `{}` from {} to {}, and {} window{} of before again", window_.by,
                       to_string(window_.asked.from), to_string(window_.asked.to), again_.size(),
                       again_.size() == 1 ? "" : "s");
  }

  Result<Growth> grow(CopyResult& copied, const std::string& try_id) override {
    Certificate& certificate = copied.certificate;
    Growth growth;
    growth.based_on = standing_.certificate;
    std::vector<Chunk> chunks = stay_;
    TRY_ASSIGN(growth.keeps, files_of(standing_, stay_));
    for (size_t i = 0; i < pieces_.size(); ++i) {
      Chunk chunk;
      chunk.run = pieces_[i].run;
      chunk.from = to_string(pieces_[i].stretch.from);
      chunk.to = to_string(pieces_[i].stretch.to);
      chunk.certificate = certificate.id;
      chunk.made_at = certificate.made_at;
      for (const CopyPart& part : copied.parts) {
        if (part.place != i) continue;
        chunk.rows = part.certificate.rows;
        if (part.certificate.row_sum) chunk.row_sum = std::to_string(*part.certificate.row_sum);
        for (const Path& file : part.files) {
          const auto number = std::ranges::find(copied.files, file) - copied.files.begin();
          chunk.files.push_back(grown_name(static_cast<size_t>(number), try_id));
        }
      }
      chunks.push_back(std::move(chunk));
    }
    // A file without rows only where there would be none.
    if (certificate.rows == 0 && !growth.keeps.empty()) {
      copied.files.clear();
      certificate.files.clear();
    }
    std::vector<std::pair<int64_t, Value>> sorted;
    for (const Chunk& chunk : chunks) {
      TRY_ASSIGN(const Stretch stretch, stretch_of(chunk));
      sorted.emplace_back(stretch.from.us, to_value(chunk));
    }
    std::ranges::stable_sort(sorted, {}, [](const auto& entry) { return entry.first; });
    Value list = Value::list();
    for (auto& [from, value] : sorted) list.push_back(std::move(value));
    growth.state = Value(Value::Map{{"mode", "window"}, {"by", window_.by}, {"chunks", std::move(list)}});
    certificate.increment =
        Value(Value::Map{{"mode", "window"},
                         {"by", window_.by},
                         {"from", to_string(window_.asked.from)},
                         {"to", to_string(window_.asked.to)},
                         {"late", format_duration(window_.late)},
                         {"not_seen", "rows that have come, changed or gone in windows that were not read again"}});
    return growth;
  }

 private:
  struct Piece {
    Stretch stretch;
    std::string run;
  };
  Result<Stretch> stretch_of(const Chunk& chunk) const {
    Stretch stretch;
    TRY_ASSIGN(stretch.from, parse_moment(chunk.from, {}, "the manifest"));
    TRY_ASSIGN(stretch.to, parse_moment(chunk.to, {}, "the manifest"));
    if (stretch.from.is_instant != window_.asked.from.is_instant)
      return Error{ErrorKind::invalid,
                   fmt::format("mode: the window from {} cannot be compared with those of the result, such as {}: one "
                               "has an offset and the other has none",
                               to_string(window_.asked.from), to_string(stretch.from))};
    return stretch;
  }

  IncrementRequest request_;
  Window window_;
  Standing standing_;
  std::vector<Chunk> stay_;
  std::vector<Piece> again_, pieces_;
  std::optional<WindowLayout> layout_;
};

}  // namespace

Result<std::unique_ptr<Increment>> make_window_increment(const IncrementRequest& request, Standing standing) {
  TRY_ASSIGN(Window window, parse_window(request.mode.get("window"), request.timezone));
  if (!standing.certificate.empty() && !standing.has_state)
    return Error{
        ErrorKind::invalid,
        "mode: the target holds a result of `mode: full`, of which it is not known which windows are in it; name "
        "another folder in `to`"};
  if (standing.has_state &&
      (standing.mode != ModeKind::window || !standing.by.is_string() || standing.by.as_string() != window.by))
    return Error{ErrorKind::invalid,
                 fmt::format("mode: the target holds a result by {} `{}`, and not by windows of `{}`; name another "
                             "folder in `to`",
                             standing.mode == ModeKind::window ? "windows of" : "a cursor over",
                             standing.by.is_string() ? standing.by.as_string() : "", window.by)};
  auto increment = std::make_unique<WindowIncrement>(request, std::move(window), std::move(standing));
  TRY(increment->lay_out());
  return std::unique_ptr<Increment>(std::move(increment));
}

}  // namespace udon::data
