#include "plugins/data/partition.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "plugins/data/cell_text.h"

namespace udon::data {
namespace {

using Each = PartitionField::Each;
using Microseconds = std::chrono::microseconds;
using WallMicroseconds = std::chrono::local_time<Microseconds>;

constexpr std::string_view default_partition = "__HIVE_DEFAULT_PARTITION__";
// A file's name has 255 bytes in most file systems.
constexpr size_t folder_bytes_max = 255;
const std::vector<std::string> field_keys = {"by", "each", "as"};
const std::vector<std::string> each_words = {"value", "year", "month", "day", "hour"};

std::chrono::local_days day_of(int64_t wall_us) {
  return std::chrono::floor<std::chrono::days>(WallMicroseconds(Microseconds(wall_us)));
}
int64_t us_of(std::chrono::local_days day) {
  return std::chrono::duration_cast<Microseconds>(day.time_since_epoch()).count();
}

// The clock on the wall at an instant, and the first instant at which it shows that.
int64_t to_wall(const TimeZone& zone, int64_t instant_us) {
  const auto seconds =
      std::chrono::floor<std::chrono::seconds>(std::chrono::sys_time<Microseconds>(Microseconds(instant_us)));
  return instant_us + std::chrono::duration_cast<Microseconds>(zone.at(seconds).offset).count();
}
int64_t to_instant(const TimeZone& zone, int64_t wall_us) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(WallMicroseconds(Microseconds(wall_us)));
  const auto instants = zone.instants_of(seconds);
  return std::chrono::duration_cast<Microseconds>(instants.first.time_since_epoch()).count();
}

Result<std::shared_ptr<const TimeZone>> zone_of(const std::string& zone_name) {
  return TimeZone::find(zone_name.empty() ? "UTC" : zone_name);
}

}  // namespace

Result<std::vector<PartitionField>> parse_partition_by(const Value& value) {
  const std::string expected =
      "partition_by: expected a list such as [{by: created_at, each: day, as: dt}, {by: shop_id, as: shop}]";
  if (!value.is_list() || value.size() == 0) return Error{ErrorKind::invalid, expected};
  std::vector<PartitionField> fields;
  for (const Value& item : value.as_list()) {
    if (!item.is_map()) return Error{ErrorKind::invalid, expected};
    for (const auto& [key, unused] : item.as_map())
      if (std::ranges::find(field_keys, key) == field_keys.end())
        return Error{ErrorKind::invalid, fmt::format("partition_by: unknown key `{}`; there are {}{}", key,
                                                     join(field_keys, ", "), did_you_mean(key, field_keys))};
    PartitionField field{.by = item.text("by"), .as = item.text("as"), .each = Each::value};
    const std::string each = item.text("each", "value");
    const auto word = std::ranges::find(each_words, each);
    if (word == each_words.end())
      return Error{ErrorKind::invalid, fmt::format("partition_by: each: `{}` is not one of {}{}", each,
                                                   join(each_words, ", "), did_you_mean(each, each_words))};
    field.each = static_cast<Each>(word - each_words.begin());
    if (field.by.empty() || field.as.empty()) return Error{ErrorKind::invalid, expected};
    if (partition_value(field.as) != field.as || field.as[0] == '_' || field.as[0] == '.')
      return Error{ErrorKind::invalid,
                   fmt::format("partition_by: `{}` cannot begin a folder's name; choose letters and digits", field.as)};
    for (const PartitionField& other : fields)
      if (lower_ascii(other.as) == lower_ascii(field.as))
        return Error{ErrorKind::invalid, fmt::format("partition_by: `{}` comes twice", field.as)};
    fields.push_back(std::move(field));
  }
  return fields;
}

std::string partition_value(std::string_view value) {
  if (value.empty()) return std::string(default_partition);
  constexpr std::string_view escaped = "\"#%'*/:=?\\{[]^\x7f";
  std::string text;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || escaped.find(c) != escaped.npos)
      text += fmt::format("%{:02X}", byte);
    else
      text += c;
  }
  return text;
}

int64_t begin_of(Each each, int64_t wall_us) {
  using namespace std::chrono;
  const local_days day = day_of(wall_us);
  const year_month_day date(day);
  switch (each) {
    case Each::year: return us_of(local_days(date.year() / January / 1));
    case Each::month: return us_of(local_days(date.year() / date.month() / 1));
    case Each::day: return us_of(day);
    case Each::hour:
      return duration_cast<Microseconds>(floor<hours>(WallMicroseconds(Microseconds(wall_us))).time_since_epoch())
          .count();
    case Each::value: break;
  }
  return wall_us;
}

int64_t end_of(Each each, int64_t wall_us) {
  using namespace std::chrono;
  const local_days day = day_of(wall_us);
  const year_month_day date(day);
  switch (each) {
    case Each::year: return us_of(local_days((date.year() + years(1)) / January / 1));
    case Each::month: {
      const year_month next = year_month(date.year(), date.month()) + months(1);
      return us_of(local_days(next / 1));
    }
    case Each::day: return us_of(day + days(1));
    case Each::hour: return begin_of(each, wall_us) + duration_cast<Microseconds>(hours(1)).count();
    case Each::value: break;
  }
  return wall_us;
}

std::string name_of(Each each, int64_t wall_us) {
  using namespace std::chrono;
  const local_days day = day_of(wall_us);
  const year_month_day date(day);
  const int year = int(date.year());
  const unsigned month = unsigned(date.month()), in_month = unsigned(date.day());
  switch (each) {
    case Each::year: return fmt::format("{:04}", year);
    case Each::month: return fmt::format("{:04}-{:02}", year, month);
    case Each::day: return fmt::format("{:04}-{:02}-{:02}", year, month, in_month);
    case Each::hour:
      return fmt::format("{:04}-{:02}-{:02}-{:02}", year, month, in_month,
                         duration_cast<hours>(Microseconds(wall_us - us_of(day))).count());
    case Each::value: break;
  }
  return {};
}

Result<Stretch> widened(const Window& window, Each each, const std::string& zone_name) {
  TRY_ASSIGN(const auto zone, zone_of(zone_name));
  const bool is_instant = window.asked.from.is_instant;
  const auto wall = [&](int64_t us) { return is_instant ? to_wall(*zone, us) : us; };
  const auto back = [&](int64_t us) { return Moment{is_instant ? to_instant(*zone, us) : us, is_instant}; };
  const int64_t from = wall(window.asked.from.us - window.late.count()), to = wall(window.asked.to.us);
  const int64_t last_begin = begin_of(each, to);
  return Stretch{back(begin_of(each, from)), back(last_begin == to ? to : end_of(each, to))};
}

Result<std::vector<std::string>> names_in(const Stretch& stretch, Each each, const std::string& zone_name) {
  TRY_ASSIGN(const auto zone, zone_of(zone_name));
  const auto wall = [&](const Moment& moment) { return moment.is_instant ? to_wall(*zone, moment.us) : moment.us; };
  std::vector<std::string> names;
  for (int64_t at = wall(stretch.from); at < wall(stretch.to); at = end_of(each, at)) {
    if (names.size() == partitions_per_run_max)
      return Error{ErrorKind::invalid,
                   fmt::format("partition_by: from {} to {} there are more than {} partitions; ask "
                               "for less at once, or choose a longer `each`",
                               to_string(stretch.from), to_string(stretch.to), partitions_per_run_max)};
    names.push_back(name_of(each, at));
  }
  return names;
}

Result<void> PartitionLayout::open(const std::vector<ColumnInfo>& columns) {
  TRY_ASSIGN(zone_, zone_of(timezone_));
  columns_.clear();
  for (const PartitionField& field : fields_) {
    TRY_ASSIGN(const size_t c, layout_column(columns, field.by, "partition_by"));
    const arrow::DataType& type = *columns[c].type;
    const std::string what = fmt::format("partition_by: column `{}` ({})", field.by, columns[c].source_type);
    if (field.each != Each::value && !is_time_column(type))
      return Error{ErrorKind::invalid, what + " holds neither days nor times; leave `each` out to go by its values"};
    if (field.each == Each::hour && type.id() == arrow::Type::DATE32)
      return Error{ErrorKind::invalid, what + " holds days, which have no hours"};
    if (field.each == Each::value &&
        (type.id() == arrow::Type::TIMESTAMP || arrow::is_floating(type.id()) || arrow::is_nested(type.id()) ||
         arrow::is_binary(type.id()) || type.id() == arrow::Type::TIME64))
      return Error{ErrorKind::invalid, what + " has too many values for folders; a time is told apart by `each: day`"};
    for (const ColumnInfo& column : columns)
      if (lower_ascii(column.request.name) == lower_ascii(field.as))
        return Error{ErrorKind::invalid,
                     fmt::format("partition_by: `as: {}` is also a column of the files, which readers of such folders "
                                 "would mistake for one another; choose another name",
                                 field.as)};
    columns_.push_back(c);
  }
  return {};
}

// Appends this field's folder to each row's.
Result<void> PartitionLayout::read_folders(const arrow::RecordBatch& rows, size_t f,
                                           std::vector<std::string>& folders) const {
  const PartitionField& field = fields_[f];
  const arrow::Array& array = *rows.column(static_cast<int>(columns_[f]));
  const bool is_instant = array.type_id() == arrow::Type::TIMESTAMP &&
                          !static_cast<const arrow::TimestampType&>(*array.type()).timezone().empty();
  int64_t begin = 0, end = 0;  // of the last row's, on the wall
  std::string text, last, folder;
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    std::string& all = folders[static_cast<size_t>(row)];
    if (f > 0) all += '/';
    if (array.IsNull(row)) {
      all += fmt::format("{}={}", field.as, default_partition);
      continue;
    }
    if (field.each != Each::value) {
      int64_t us = time_us_at(array, row);
      if (is_instant) us = to_wall(*zone_, us);
      if (folder.empty() || us < begin || us >= end) {
        begin = begin_of(field.each, us), end = end_of(field.each, us);
        folder = field.as + "=" + name_of(field.each, us);
      }
    } else {
      text.clear();
      append_cell_text(array, row, text);
      if (folder.empty() || text != last) {
        folder = field.as + "=" + partition_value(text);
        last = text;
        if (folder.size() > folder_bytes_max)
          return Error{ErrorKind::data,
                       fmt::format("partition_by: a value of `{}` makes a folder's name of {} bytes; {} "
                                   "is what file systems take",
                                   field.by, folder.size(), folder_bytes_max)};
      }
    }
    all += folder;
  }
  return {};
}

Result<std::vector<uint32_t>> PartitionLayout::places_of(const arrow::RecordBatch& rows) {
  std::vector<std::string> folders(static_cast<size_t>(rows.num_rows()));
  for (size_t f = 0; f < fields_.size(); ++f) TRY(read_folders(rows, f, folders));
  std::vector<uint32_t> places(folders.size());
  const std::lock_guard lock(mutex_);
  for (size_t row = 0; row < folders.size(); ++row) {
    if (row > 0 && folders[row] == folders[row - 1]) {
      places[row] = places[row - 1];
      continue;
    }
    const auto [it, is_new] = places_.try_emplace(folders[row], static_cast<uint32_t>(folders_.size()));
    if (is_new) {
      if (folders_.size() == partitions_per_run_max)
        return Error{ErrorKind::invalid,
                     fmt::format("partition_by: the rows are of more than {} partitions; choose fewer values, a longer "
                                 "`each`, or export less at once",
                                 partitions_per_run_max)};
      folders_.push_back(folders[row]);
    }
    places[row] = it->second;
  }
  return places;
}

}  // namespace udon::data
