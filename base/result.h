#pragma once
// How a failure that the caller can meet travels. Kinds are few on purpose: add one only when some caller
// acts differently because of it. The message says what failed, on what, with which value, and never quotes a
// secret.
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace udon {

enum class ErrorKind {
  invalid,      // what was asked for is wrong; asking again gives the same answer
  not_found,    // the thing named is not there
  conflict,     // somebody else was first: a compare-and-set or a conditional write failed
  denied,       // credentials or rights are missing
  unavailable,  // the other side is down, slow or overloaded; trying again can help
  timeout,      // a deadline passed
  cancelled,    // we were asked to stop
  io,           // the operating system refused: disk full, no descriptor
  data,         // the data itself has no exact place in the target, or fails its check; a retry won't help
  unsupported,  // understood, but not possible on this server, store or build
};

std::string_view to_string(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::invalid;
  std::string message;

  // The same failure, with what we were doing in front: "export of orders: <message>".
  Error within(std::string_view what) const;
  bool operator==(const Error&) const = default;
};

// True where doing the same thing again, later, can succeed.
bool is_transient(ErrorKind kind);

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  Result(Error error) : tl::expected<T, Error>(tl::unexpect, std::move(error)) {}
};

template <>
class [[nodiscard]] Result<void> : public tl::expected<void, Error> {
 public:
  using tl::expected<void, Error>::expected;
  Result() = default;
  Result(Error error) : tl::expected<void, Error>(tl::unexpect, std::move(error)) {}
};

}  // namespace udon

#define UDON_JOIN2(a, b) a##b
#define UDON_JOIN(a, b) UDON_JOIN2(a, b)

// Evaluates a Result<void>; returns its error to our caller if it has one.
#define TRY(expression)                                        \
  do {                                                         \
    auto&& try_result = (expression);                          \
    if (!try_result) return ::udon::Error(try_result.error()); \
  } while (false)

// TRY_ASSIGN(auto x, f()): x is the value of f(), or our caller gets f()'s error.
#define TRY_ASSIGN(target, expression) TRY_ASSIGN_AS(UDON_JOIN(try_value_, __LINE__), target, expression)
#define TRY_ASSIGN_AS(name, target, expression)  \
  auto&& name = (expression);                    \
  if (!name) return ::udon::Error(name.error()); \
  target = std::move(*name)
