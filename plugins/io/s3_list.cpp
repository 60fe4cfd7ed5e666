#include "plugins/io/s3_list.h"

#include <algorithm>

namespace udon {

Result<void> list_s3(S3Client& client, const S3ListQuestion& question, const S3OnPage& on_page,
                     const std::stop_token& stop) {
  const std::string uri = to_string(question.prefix);
  std::string token;
  for (;;) {
    S3Request request{.action = "list",
                      .object = {question.prefix.bucket, ""},
                      .about = uri,
                      .query = {{"list-type", "2"}, {"encoding-type", "url"}, {"prefix", question.prefix.key}},
                      .attempts_max = question.attempts_max};
    if (!token.empty())
      request.query.emplace_back("continuation-token", token);
    else if (!question.after.empty())
      request.query.emplace_back("start-after", question.after);
    TRY_ASSIGN(const HttpResponse response, client.get_answer(request, stop));
    auto page = parse_s3_list(response.body);
    if (!page) return page.error().within("list " + uri);
    // What is listed may be deleted next.
    const auto is_strange = [&](const S3ListedObject& object) { return !object.key.starts_with(question.prefix.key); };
    if (std::ranges::any_of(page->objects, is_strange))
      return Error{ErrorKind::unavailable, "list " + uri + ": the store listed what does not begin so"};
    TRY_ASSIGN(const bool goes_on, on_page(std::move(page->objects), parse_http_date(response.header("date"))));
    if (!goes_on || page->continuation_token.empty()) return {};
    if (page->continuation_token == token)
      return Error{ErrorKind::unavailable, "list " + uri + ": the store gives the same page again and again"};
    token = std::move(page->continuation_token);
  }
}

}  // namespace udon
