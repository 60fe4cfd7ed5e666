#include "dagfile/asset_cycles.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

namespace udon {

namespace {

// One DAG makes an asset for which another waits.
struct Edge {
  std::string asset;
  std::string dag_id;  // who waits
};
using Edges = std::map<std::string, std::vector<Edge>, std::less<>>;  // by who makes it

Edges edges_of(const CatalogSnapshot& catalog) {
  std::map<std::string, std::vector<std::string>, std::less<>> waiting;  // asset → DAGs
  for (const auto& [id, dag] : catalog.dags) {
    if (!dag->schedule.assets) continue;
    for (const std::string& asset : assets_of(*dag->schedule.assets)) waiting[asset].push_back(id);
  }
  Edges edges;
  for (const auto& [id, dag] : catalog.dags) {
    std::set<std::string> made;
    for (const Task& task : dag->tasks) made.insert(task.outlets.begin(), task.outlets.end());
    for (const std::string& asset : made) {
      const auto found = waiting.find(asset);
      if (found == waiting.end()) continue;
      for (const std::string& other : found->second) edges[id].push_back({asset, other});
    }
  }
  return edges;
}

// The shortest way from a DAG back to itself, as the edges that lead there; empty: none.
std::vector<std::pair<std::string, Edge>> way_back(const Edges& edges, const std::string& from) {
  std::map<std::string, std::pair<std::string, Edge>> reached;  // DAG → from which one, and how
  std::deque<std::string> open{from};
  while (!open.empty() && !reached.contains(from)) {
    const std::string at = open.front();
    open.pop_front();
    const auto found = edges.find(at);
    if (found == edges.end()) continue;
    for (const Edge& edge : found->second)
      if (reached.try_emplace(edge.dag_id, at, edge).second) open.push_back(edge.dag_id);
  }
  std::vector<std::pair<std::string, Edge>> way;
  if (!reached.contains(from)) return way;
  std::string at = from;
  do {
    way.push_back(reached.at(at));
    at = way.back().first;
  } while (at != from);
  std::ranges::reverse(way);
  return way;
}

}  // namespace

std::vector<Diagnostic> asset_cycles(const CatalogSnapshot& catalog) {
  const Edges edges = edges_of(catalog);
  std::vector<Diagnostic> found;
  std::set<std::string> told;
  for (const auto& [id, out] : edges) {
    if (told.contains(id)) continue;
    const auto way = way_back(edges, id);
    if (way.empty()) continue;
    std::string text = "these make each other due, again and again: ";
    for (const auto& [maker, edge] : way) {
      told.insert(maker);
      text += "`" + maker + "` makes `" + edge.asset + "`, for which `" + edge.dag_id + "` waits" +
              (edge.dag_id == id ? "" : ", ");
    }
    found.push_back({Diagnostic::Severity::warning, catalog.dags.find(id)->second->file, 0, 0, std::move(text), id});
  }
  return found;
}

}  // namespace udon
