// Sends one batch of events until each of them is accepted or refused.
#pragma once
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "client/ledger.h"
#include "client/pacer.h"
#include "client/post.h"
#include "http/client.h"

namespace tillrace::client {

using PostBatch = std::vector<PostRecord>;

// One a thread. What it borrows must outlive it.
class Delivery {
 public:
  Delivery(const PostOptions& options, std::string endpoint, Ledger& ledger, Pacer& pacer,
           Clock& clock, Random& random)
      : options_(options),
        endpoint_(std::move(endpoint)),
        ledger_(ledger),
        pacer_(pacer),
        clock_(clock),
        random_(random) {}

  // Returns when every record is in the ledger, or the ledger says stop; then some may be neither
  // accepted nor refused.
  void deliver(PostBatch batch);

 private:
  struct Refusal {
    std::size_t index;
    std::string why;
  };

  http::Call call_of(const PostBatch& batch) const;
  Result<http::Response> send(const http::Call& call);
  bool wait_before_retry(const http::Response* answer, int tries,
                         std::chrono::nanoseconds give_up_at);
  void settle(PostBatch batch, const http::Response& answer, std::vector<PostBatch>& waiting);
  static std::vector<Refusal> refusals_in(const http::Response& answer, std::size_t events);
  PostBatch without(PostBatch batch, const std::vector<Refusal>& refusals);
  void halve_or_refuse(PostBatch batch, const http::Response& answer,
                       std::vector<PostBatch>& waiting);

  const PostOptions& options_;
  std::string endpoint_;
  Ledger& ledger_;
  Pacer& pacer_;
  Clock& clock_;
  Random& random_;
  http::Client client_;
};

}  // namespace tillrace::client
