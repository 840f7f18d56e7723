// What a gateway's answer says about the events of a request.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "http/message.h"

namespace tillrace::client {

// "the server answers 503: ..."
std::string described(const http::Response& answer);

// An event that the server does not take.
struct Refusal {
  std::size_t index = 0;
  std::string why;  // "Quantity: an integer ..., got 0"; several rules with semicolons
};
// Those that a 400 or 422 names among `events` of them, each once, in order.
std::vector<Refusal> refusals_in(const http::Response& answer, std::size_t events);

}  // namespace tillrace::client
