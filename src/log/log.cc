#include "log/log.h"

#include <future>

namespace tillrace::log {

Result<std::vector<Appended>> Log::append_and_wait(std::vector<Record> batch,
                                                   std::optional<Receipt> receipt) {
  std::promise<Result<std::vector<Appended>>> answer;
  auto answered = answer.get_future();
  append(std::move(batch), std::move(receipt),
         [&answer](Result<std::vector<Appended>> places) { answer.set_value(std::move(places)); });
  return answered.get();
}

}  // namespace tillrace::log
