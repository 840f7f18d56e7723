#include "gateway/line_chunks.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace tillrace::gateway {
namespace {

std::vector<std::string> cut(LineChunks& chunks, std::string_view body, std::size_t part_bytes) {
  std::vector<std::string> found;
  for (; !body.empty(); body.remove_prefix(std::min(part_bytes, body.size()))) {
    chunks.add(body.substr(0, part_bytes));
    while (auto chunk = chunks.next()) found.push_back(*chunk);
  }
  found.push_back(chunks.rest());
  return found;
}

TEST(LineChunks, AChunkEndsWithTheLineInWhichItReachesItsSize) {
  LineChunks chunks(5, 100);
  chunks.add("ab\ncd\nef\ngh");
  EXPECT_EQ(chunks.next(), "ab\ncd\n");
  EXPECT_EQ(chunks.next(), std::nullopt);
  EXPECT_EQ(chunks.rest(), "ef\ngh");
}

TEST(LineChunks, ALineThatEndsJustAtTheSizeEndsTheChunk) {
  LineChunks chunks(3, 100);
  chunks.add("ab\ncd\n");
  EXPECT_EQ(chunks.next(), "ab\n");
  EXPECT_EQ(chunks.next(), "cd\n");
  EXPECT_EQ(chunks.next(), std::nullopt);
  EXPECT_EQ(chunks.rest(), "");
}

TEST(LineChunks, ALineWithoutItsEndIsNoChunkHoweverLong) {
  LineChunks chunks(4, 100);
  chunks.add("abcdefgh");
  EXPECT_EQ(chunks.next(), std::nullopt);
  chunks.add("\n");
  EXPECT_EQ(chunks.next(), "abcdefgh\n");
}

TEST(LineChunks, OfATooLongLineOneByteTooManyIsKept) {
  LineChunks chunks(1'000, 4);
  for (int i = 0; i < 1'000; ++i) chunks.add("xxxxxxxxxx");
  chunks.add("\nab\n");
  EXPECT_EQ(chunks.rest(), "xxxx#\nab\n");
}

TEST(LineChunks, WhatIsCutIsNeitherBlankNorAnEvent) {
  LineChunks chunks(1'000, 4);
  chunks.add("          {}\n{}      x\n");
  EXPECT_EQ(chunks.rest(), "    #\n{}  #\n");
}

TEST(LineChunks, ALineOfOneByteTooManyIsWhole) {
  LineChunks chunks(1'000, 4);
  chunks.add("abcde");
  chunks.add("\n");
  EXPECT_EQ(chunks.rest(), "abcde\n");
}

TEST(LineChunks, ALineOfExactlyTheLimitIsKeptWhole) {
  LineChunks chunks(1'000, 4);
  chunks.add("xxxx\n");
  EXPECT_EQ(chunks.rest(), "xxxx\n");
}

TEST(LineChunks, NothingIsLeftOfNothing) {
  LineChunks chunks(4, 4);
  chunks.add("");
  EXPECT_EQ(chunks.next(), std::nullopt);
  EXPECT_EQ(chunks.rest(), "");
}

RC_GTEST_PROP(LineChunks, FollowFromTheBodyHoweverItComes, ()) {
  auto lines = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab\n\r")));
  auto chunk_bytes = *rc::gen::inRange<std::size_t>(1, 9);
  auto line_bytes = *rc::gen::inRange<std::size_t>(1, 9);
  auto part_bytes = *rc::gen::inRange<std::size_t>(1, 9);
  LineChunks whole(chunk_bytes, line_bytes);
  LineChunks parts(chunk_bytes, line_bytes);
  auto chunks = cut(whole, lines, lines.size() + 1);
  RC_ASSERT(chunks == cut(parts, lines, part_bytes) || lines.empty());
  for (std::size_t i = 0; i + 1 < chunks.size(); ++i) {
    RC_ASSERT(chunks[i].size() >= chunk_bytes);
    RC_ASSERT(chunks[i].back() == '\n');
  }
}

}  // namespace
}  // namespace tillrace::gateway
