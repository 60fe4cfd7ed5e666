#pragma once
// Names in the folder of a try; see spool.h. The spare one is left by an earlier try, empty, for the next one to take.
namespace udon::layout {

inline constexpr const char* request = "request.json";
inline constexpr const char* process = "process.json";
inline constexpr const char* result = "result.json";
inline constexpr const char* tree = "tree.json";
inline constexpr const char* spare_staging = "spare-staging";

}  // namespace udon::layout
