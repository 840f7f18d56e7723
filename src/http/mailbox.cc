#include "http/mailbox.h"

#include "base/check.h"
#include "http/problem.h"

namespace tillrace::http {
namespace {

// The one answer that all copies of a Reply stand for.
class PendingReply {
 public:
  PendingReply(SharedMailbox mailbox, RequestId id) : mailbox_(std::move(mailbox)), id_(id) {}
  PendingReply(const PendingReply&) = delete;
  PendingReply& operator=(const PendingReply&) = delete;
  ~PendingReply() {
    if (!sent_) mailbox_->put({id_, no_reply(), true});
  }

  void send(Response response) {
    bool again = sent_.exchange(true);
    CHECK(!again);
    CHECK(response.status >= 200 && response.status <= 599);
    mailbox_->put({id_, std::move(response), false});
  }

 private:
  SharedMailbox mailbox_;
  RequestId id_;
  std::atomic<bool> sent_ = false;
};

}  // namespace

void Mailbox::put(Letter letter) {
  MutexLock lock(mutex_);
  if (!wake_) return;
  letters_.push_back(std::move(letter));
  if (letters_.size() == 1) wake_();
}

std::vector<Letter> Mailbox::take() {
  MutexLock lock(mutex_);
  return std::exchange(letters_, {});
}

void Mailbox::close() {
  MutexLock lock(mutex_);
  wake_ = nullptr;
  letters_.clear();
}

SharedMailbox make_mailbox(std::function<void()> wake) {
  return std::make_shared<Mailbox>(std::move(wake));  // shared: see mailbox.h
}

Reply make_reply(SharedMailbox mailbox, RequestId id) {
  // shared: std::function is copyable, and the last copy to go tells the client
  auto pending = std::make_shared<PendingReply>(std::move(mailbox), id);
  return [pending](Response response) { pending->send(std::move(response)); };
}

}  // namespace tillrace::http
