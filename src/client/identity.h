// Gives every event of a file an identity before it is sent, so that sending it again changes
// nothing.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "client/records.h"
#include "model/event_id.h"
#include "model/event_json.h"

namespace tillrace::client {

// Whether the JSON object names its line by a LineNo or an EventId, right or wrong.
bool brings_identity(std::string_view json);
// The JSON object with the member EventId put first, or in the place of one that is null.
std::string with_event_id(std::string_view json, const EventId& id);

// An event that has a LineNo or an EventId keeps what it has. Another gets an EventId, made from
// its place in the file and from the content of the file up to and including it: so the same file
// gives the same identities, and a file that has grown since gives its old lines the ones they had.
// Standard input cannot be read twice; there the identities begin with a random number, and only
// sending again within the same run is safe.
//
// Not thread-safe.
class Identities {
 public:
  // `path` as for EventReader::open().
  Identities(std::filesystem::path path, std::size_t max_record_bytes, Random& random);

  // The event as it is to be sent. invalid, saying why, when it is no JSON object; an event whose
  // fields break rules is passed on, for the server to judge. Call it for each event of the file in
  // order.
  Result<std::string> prepare(const EventText& event);

 private:
  Result<std::string> with_identity(const EventText& event);
  Status catch_up(const EventText& event);
  void pass(const EventText& event);

  std::filesystem::path path_;
  std::size_t max_record_bytes_;
  EventParser parser_;
  EventId content_;  // names the content so far
  bool counting_ =
      false;  // whether content_ is kept up; a file is read again when that is first needed
};

}  // namespace tillrace::client
