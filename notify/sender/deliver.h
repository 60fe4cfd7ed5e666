#pragma once
// The sender's side: the program `udon-tell`, which the server starts for each sending. Only it links libcurl: the
// server and its prober open other libraries' TLS.
#include "base/clock.h"
#include "notify/delivery.h"

namespace udon {

// Sends it, now and once. No secret of the connection is in the answer.
DeliveryAnswer deliver(const DeliveryOrder& order, const Clock& clock);

// The child: the order from standard input, the answer on standard output. Dies with whoever started it.
int deliver_main(const Clock& clock);

}  // namespace udon
