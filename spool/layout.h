#pragma once
// Names in the folder of a try; see spool.h. The spare ones are left by an earlier try, empty, for the next one to
// fill.
namespace udon::layout {

inline constexpr const char* request = "request.json";
inline constexpr const char* process = "process.json";
inline constexpr const char* result = "result.json";
inline constexpr const char* tree = "tree.json";
inline constexpr const char* spare_process = "spare-process";
inline constexpr const char* spare_result = "spare-result";
inline constexpr const char* spare_staging = "spare-staging";

}  // namespace udon::layout
