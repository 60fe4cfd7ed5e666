#pragma once
// One table copied in spite of what happens to it meanwhile. A snapshot ends where the table is altered below it
// (MySQL's error 1412, a standby that replays the change), or where the session is lost that held it: no other snapshot
// shows the same rows, so all is read from the beginning, once.
#include <functional>
#include <memory>
#include <stop_token>

#include "base/result.h"
#include "plugins/data/table_copy.h"

namespace udon::data {

using MakeReader = std::function<std::unique_ptr<TableReader>()>;

// copy_table by a reader of its own. `on_again`: called before the second reading with what ended the first. The error
// of a second reading names that of the first.
Result<CopyResult> copy_table_again(const MakeReader& make_reader, const CopyRequest& request,
                                    const std::stop_token& stop, const std::function<void(const Error&)>& on_again);

}  // namespace udon::data
