#include "http/request_parser.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "http/chunk_decoder.h"

namespace tillrace::http {
namespace {

using State = RequestParser::State;

// Feeds `bytes` in pieces of the given sizes (the last one over and over), as a connection does,
// and tells what came of it.
std::string outcome(std::string_view bytes, const std::vector<std::size_t>& pieces) {
  RequestParser parser(1024);
  std::string pending, told;
  for (std::size_t piece = 0; !bytes.empty();) {
    std::size_t length = std::min(std::max<std::size_t>(pieces[piece], 1), bytes.size());
    if (piece + 1 < pieces.size()) ++piece;
    pending += bytes.substr(0, length);
    bytes.remove_prefix(length);
    for (bool more = true; more && !pending.empty();) {
      std::size_t used = parser.feed(pending);
      pending.erase(0, used);
      more = used > 0;
      if (parser.state() == State::head_done) parser.expect_body(64);
      if (parser.state() == State::failed) return told + std::to_string(parser.take_fault().status);
      if (parser.state() == State::done) {
        Request request = parser.take_request();
        told += fmt::format("{} {}?{} <{}> ", name(request.method), request.path, request.query,
                            request.body);
        parser.reset();
      }
    }
  }
  return told;
}

TEST(RequestParser, ReadsTargetFieldsAndBody) {
  EXPECT_EQ(
      outcome("POST /a%20b?c=%20 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", {1000}),
      "POST /a b?c=%20 <abc> ");
  EXPECT_EQ(outcome("GET http://x:80/a?b HTTP/1.1\r\nHost: x\r\n\r\n", {1000}), "GET /a?b <> ");
  EXPECT_EQ(outcome("GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", {1000}), "GET /? <> ");
  EXPECT_EQ(outcome("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", {1000}), "OPTIONS *? <> ");
}

TEST(RequestParser, ForgivesAnEmptyLineBeforeARequestOnly) {
  EXPECT_EQ(
      outcome("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", {1}),
      "GET /? <> GET /? <> ");
  EXPECT_EQ(outcome("\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", {1000}), "400");
}

TEST(RequestParser, WhatIsNoHeadIsRefusedAtOnceHoweverItIsSplit) {
  for (std::string_view bad :
       {"GET / HTTP/1.1\nHost: x\n", "\n", "\r\n\r\n", "\r\n\n", "GET / HTTP/1.1\r\nHost: x\n",
        "GET / HTTP/1.1\r\nHost: x\rY", "\x16\x03\x01\x02", "GET /\x7f", "BAD\r\n",
        "GET  / HTTP/1.1\r\n", "\rG"}) {
    EXPECT_EQ(outcome(bad, {1000}), "400") << bad;
    EXPECT_EQ(outcome(bad, {1}), "400") << bad;
    EXPECT_EQ(outcome(bad, {7, 2}), "400") << bad;
  }
}

TEST(RequestParser, ARequestLineBeyondTheLimitIsTheTargetsFaultHoweverItIsSplit) {
  std::string bytes = "GET /" + std::string(1500, 'x') + " HTTP/1.1\r\nHost: x\r\n\r\n";
  for (std::size_t piece : {1U, 100U, 1024U, 1025U, 5000U})
    EXPECT_EQ(outcome(bytes, {piece}), "414");
}

TEST(RequestParser, AHeadOfExactlyTheLimitPassesAndOneByteMoreDoesNot) {
  std::string head = "GET / HTTP/1.1\r\nHost: x\r\nX: \r\n\r\n";
  head.insert(head.size() - 4, std::string(1024 - head.size(), 'x'));
  EXPECT_EQ(outcome(head, {1000}), "GET /? <> ");
  head.insert(head.size() - 4, "x");
  EXPECT_EQ(outcome(head, {5000}), "431");
  EXPECT_EQ(outcome(head, {1}), "431");
}

TEST(RequestParser, ABodyOfExactlyTheLimitPassesAndOneByteMoreDoesNot) {
  auto with_length = [](int n) {
    return fmt::format("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", n,
                       std::string(std::size_t(n), 'b'));
  };
  EXPECT_EQ(outcome(with_length(64), {1000}), fmt::format("POST /? <{}> ", std::string(64, 'b')));
  EXPECT_EQ(outcome(with_length(65), {1000}), "413");
  std::string chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n";
  EXPECT_EQ(outcome(chunked + "40\r\n" + std::string(64, 'b') + "\r\n0\r\n\r\n", {7}),
            fmt::format("POST /? <{}> ", std::string(64, 'b')));
  EXPECT_EQ(outcome(chunked + "40\r\n" + std::string(64, 'b') + "\r\n1\r\nb\r\n0\r\n\r\n", {7}),
            "413");
}

TEST(RequestParser, AnEmptyChunkedBodyMayComeByteByByte) {
  EXPECT_EQ(
      outcome("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {1}),
      "POST /? <> ");
}

TEST(RequestParser, EndlessChunkExtensionsAndTrailersAreRefused) {
  std::string chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(outcome(chunked + "1;" + std::string(20'000, 'e'), {1000}), "400");
  std::string trailers = chunked + "0\r\n";
  for (int i = 0; i < 5000; ++i) trailers += "A: b\r\n";
  EXPECT_EQ(outcome(trailers, {1000}), "400");
}

TEST(RequestParser, ATrailerChangesNoHeader) {
  RequestParser parser(1024);
  std::string_view head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  ASSERT_EQ(parser.feed(head), head.size());
  parser.expect_body(64);
  parser.feed("0\r\nAuthorization: forged\r\n\r\n");
  ASSERT_EQ(parser.state(), State::done);
  EXPECT_EQ(parser.take_request().headers.find("Authorization"), std::nullopt);
}

// A request that is mostly right: every part is drawn from right and wrong ones.
rc::Gen<std::string> requests() {
  auto line = rc::gen::element<std::string>("GET / HTTP/1.1\r\n", "POST /a?b=%41 HTTP/1.1\r\n",
                                            "POST / HTTP/1.0\r\n", "GET / HTTP/3.0\r\n", "BAD\r\n",
                                            "\r\nHEAD /%4 HTTP/1.1\r\n");
  auto field = rc::gen::element<std::string>(
      "", "", "X: y\r\n", "Content-Length: 5\r\n", "Content-Length: 99\r\n",
      "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip\r\n", "Folded: a\r\n b\r\n",
      "Expect: x\r\n", ": y\r\n");
  auto body =
      rc::gen::element<std::string>("", "abcde", "5\r\nabcde\r\n0\r\n\r\n", "0\r\n\r\n",
                                    "0\r\nT: x\r\n\r\n", "5;x\r\nabcde\r\n40\r\n", "\r\n", "zz");
  return rc::gen::map(rc::gen::tuple(line, field, field, body), [](const auto& parts) {
    return std::get<0>(parts) + "Host: x\r\n" + std::get<1>(parts) + std::get<2>(parts) + "\r\n" +
           std::get<3>(parts);
  });
}

TEST(RequestParser, TheOutcomeDoesNotDependOnHowTheBytesAreSplit) {
  EXPECT_TRUE(rc::check([] {
    auto bytes = *requests() + *requests();
    auto pieces = *rc::gen::nonEmpty(
        rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(1, 40)));
    RC_ASSERT(outcome(bytes, pieces) == outcome(bytes, {bytes.size()}));
  }));
}

TEST(RequestParser, AnyBytesAtAllAreParsedOrRefused) {
  EXPECT_TRUE(rc::check([](const std::string& any, const std::vector<std::uint8_t>& sizes) {
    std::vector<std::size_t> pieces(sizes.begin(), sizes.end());
    pieces.push_back(3);
    outcome(any, pieces);
    outcome("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + any, pieces);
  }));
}

TEST(ChunkDecoder, DecodesWhatWasEncoded) {
  EXPECT_TRUE(rc::check([](const std::vector<std::string>& chunks) {
    std::string encoded, plain, decoded;
    for (const auto& chunk : chunks) {
      if (chunk.empty()) continue;
      encoded += fmt::format("{:X}\r\n{}\r\n", chunk.size(), chunk);
      plain += chunk;
    }
    encoded += "0\r\n\r\n";
    ChunkDecoder decoder;
    RC_ASSERT(decoder.feed(encoded + "next", plain.size(), decoded) == encoded.size());
    RC_ASSERT(decoder.state() == ChunkDecoder::State::done);
    RC_ASSERT(decoded == plain);
  }));
}

}  // namespace
}  // namespace tillrace::http
