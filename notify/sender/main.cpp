#include "notify/sender/deliver.h"

int main() {
  const udon::SystemClock clock;
  return udon::deliver_main(clock);
}
