#pragma once
// The prober: a child of the server that carries out pokes of sensors. It may open plugins, which the server never
// does, and may die of them. It decides nothing: when a poke is due, and what follows from its answer, is
// ProberExecutor's.
#include "base/clock.h"
#include "base/file.h"

namespace udon {

struct ProberOptions {
  Path home;
  Path plugins;      // folder of the build's shared objects
  Path program;      // `udon`, which carries out the pokes of shared objects from outside, each in a child of its own
  int threads = 16;  // as many pokes at once as ProberExecutor sends
};

// `udon prober`: takes orders from standard input and answers on standard output until the input is closed. Gives the
// exit code.
int prober_main(const ProberOptions& options, const Clock& clock);

// `udon prober --once`: one order from standard input, its answer on standard output; what the prober's own child does.
int poke_once_main(const ProberOptions& options, const Clock& clock);

}  // namespace udon
