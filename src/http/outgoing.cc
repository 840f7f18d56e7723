#include "http/outgoing.h"

#include <fmt/format.h>

#include <algorithm>

namespace tillrace::http {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kKeptBytes = 16 * 1024;  // an answer's memory beyond it is given back

}  // namespace

void Outgoing::whole(Response response, const HeadOptions& options, bool head_only) {
  head_.clear();
  append_head(head_, response, options);
  body_.clear();
  if (may_have_body(response.status) && !head_only) body_ = std::move(response.body);
  tail_.clear();
  written_ = 0;
}

void Outgoing::begin(Response response, const HeadOptions& options) {
  head_.clear();
  append_head(head_, response, options);
  chunked_ = options.length == HeadOptions::Length::chunked;
  frame(std::move(response.body), false);
}

void Outgoing::next(std::string body, bool last) {
  head_.clear();
  frame(std::move(body), last);
}

void Outgoing::frame(std::string body, bool last) {
  body_ = std::move(body);
  tail_.clear();
  written_ = 0;
  if (!chunked_) return;
  // A chunk of no bytes would end the answer.
  if (!body_.empty()) {
    fmt::format_to(std::back_inserter(head_), "{:x}\r\n", body_.size());
    tail_ = "\r\n";
  }
  if (last) tail_ += "0\r\n\r\n";
}

std::array<asio::const_buffer, 3> Outgoing::unwritten() const {
  std::size_t of_head = std::min(written_, head_.size());
  std::size_t of_body = std::min(written_ - of_head, body_.size());
  std::size_t of_tail = written_ - of_head - of_body;
  return {asio::buffer(head_) + of_head, asio::buffer(body_) + of_body,
          asio::buffer(tail_) + of_tail};
}

void Outgoing::shrink() {
  if (body_.capacity() > kKeptBytes) body_ = {};
}

}  // namespace tillrace::http
