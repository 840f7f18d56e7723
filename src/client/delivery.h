// Sends one batch of events until each of them is accepted or refused.
#pragma once
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "client/answer_text.h"
#include "client/ledger.h"
#include "client/pacer.h"
#include "client/patient_client.h"
#include "client/post.h"

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
        client_({options.first_backoff_ms, options.most_backoff_ms, options.retry_for_s},
                options.http, clock, random) {}

  // Returns when every record is in the ledger, or the ledger says stop; then some may be neither
  // accepted nor refused.
  void deliver(PostBatch batch);

 private:
  http::Call call_of(const PostBatch& batch) const;
  void settle(PostBatch batch, const http::Response& answer, std::vector<PostBatch>& waiting);
  PostBatch without(PostBatch batch, const std::vector<Refusal>& refusals);
  void halve_or_refuse(PostBatch batch, const http::Response& answer,
                       std::vector<PostBatch>& waiting);

  const PostOptions& options_;
  std::string endpoint_;
  Ledger& ledger_;
  Pacer& pacer_;
  PatientClient client_;
};

}  // namespace tillrace::client
