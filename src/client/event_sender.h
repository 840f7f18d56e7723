// Sends single events, one after the other, and tells what became of each.
#pragma once
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "client/patient_client.h"
#include "model/event_id.h"

namespace tillrace::client {

struct EventAnswer {
  std::optional<EventId> accepted_as;  // durable, under this identity
  std::string why;                     // else: field, rule and value, or the server's own words
};

// For events that name themselves (client/identity.h): sending one again changes nothing. Not
// thread-safe. What it borrows outlives it.
class EventSender {
 public:
  // `endpoint`: as endpoint_of() gives it.
  EventSender(std::string endpoint, Patience patience, const http::ClientOptions& http,
              Clock& clock, Random& random)
      : endpoint_(std::move(endpoint)), client_(patience, http, clock, random) {}

  // Refused is an answer; invalid is one that is not about the event, such as of a server that is
  // no gateway, or that wants a key. Else as PatientClient::send().
  Result<EventAnswer> send(std::string_view json, const std::stop_token& stop);

 private:
  std::string endpoint_;
  PatientClient client_;
};

}  // namespace tillrace::client
