// The contract of store.h, held by both stores: on a folder, and on Azure's Blob service as Azurite
// plays it.
#include "lake/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <barrier>
#include <fstream>

#include "base/scratch_for_tests.h"
#include "base/thread.h"
#include "lake/azurite_for_tests.h"
#include "lake/folder_store.h"
#include "lake/matchers_for_tests.h"

namespace tillrace::lake {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class StoreContract : public testing::TestWithParam<std::string_view> {
 protected:
  void SetUp() override {
    if (GetParam() == "azure") {
      if (!Azurite::shared()) {
        if (std::getenv("CI")) FAIL() << "Azurite is absent";
        GTEST_SKIP() << "Azurite is absent; `tools/install.sh test` installs it";
      }
      container_ = std::make_unique<AzuriteContainer>(*Azurite::shared());
    }
    store_ = open();
    ASSERT_TRUE(store_);
  }
  // The same files, by another store.
  std::unique_ptr<Store> open() {
    if (container_) {
      AzureOptions options = container_->options(Azurite::shared()->endpoint());
      options.page_files = files_to_list() < 5'000 ? 100 : 5'000;
      auto opened = AzureStore::open(options, clock_, random_, metrics_);
      EXPECT_TRUE(opened) << opened.error().message;
      return std::move(*opened);
    }
    auto opened = FolderStore::open(scratch_.path() / "lake", clock_, random_);
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }
  // One more than pages of the service hold; Azurite takes a minute for so many, so it has fewer
  // and smaller pages unless it is asked for more.
  int files_to_list() const {
    const char* asked = std::getenv("TILLRACE_LAKE_FILES");
    return !container_ ? 5'001 : asked ? std::atoi(asked) : 501;
  }
  std::vector<std::string> names(std::string_view prefix, std::string_view start_after = {}) {
    std::vector<std::string> names;
    Status listed = store_->list(prefix, start_after, [&](const StoredFile& file) {
      names.push_back(file.path);
      return true;
    });
    EXPECT_TRUE(listed) << listed.error().message;
    return names;
  }
  std::filesystem::path local_file(std::size_t bytes, std::uint64_t seed) {
    std::filesystem::path path = scratch_.path() / fmt::format("local-{}", seed);
    std::ofstream(path, std::ios::binary) << noise(bytes, seed);
    return path;
  }
  static std::string noise(std::size_t bytes, std::uint64_t seed) {
    std::string text(bytes, '\0');
    SeededRandom random(seed);
    random.fill({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    return text;
  }
  static std::string content(std::ifstream in) { return {std::istreambuf_iterator<char>(in), {}}; }

  ScratchFolder scratch_{ScratchFolder::On::in_memory};
  SystemClock clock_;
  SystemRandom random_;
  Metrics metrics_;
  std::unique_ptr<AzuriteContainer> container_;
  std::unique_ptr<Store> store_;
};

TEST_P(StoreContract, WhatIsPutIsThereForEveryStore) {
  ASSERT_THAT(store_->put("a/b/c.json", "first"), Succeeds());
  EXPECT_EQ(store_->get("a/b/c.json").value(), "first");
  EXPECT_EQ(open()->get("a/b/c.json").value(), "first");
  ASSERT_THAT(store_->put("a/b/c.json", "second, and longer"), Succeeds());
  EXPECT_EQ(store_->get("a/b/c.json").value(), "second, and longer");
  ASSERT_THAT(store_->put("a/b/c.json", "3"), Succeeds());
  EXPECT_EQ(open()->get("a/b/c.json").value(), "3");
}

TEST_P(StoreContract, PutIfAbsentTakesAPathOnceAndLeavesWhatIsThere) {
  ASSERT_THAT(store_->put_if_absent("log/0.json", "mine"), Succeeds());
  auto again = store_->put_if_absent("log/0.json", "yours");
  EXPECT_THAT(again, FailsWith(Code::conflict));
  EXPECT_THAT(again.error().message, HasSubstr("put_if_absent log/0.json"));
  EXPECT_THAT(open()->put_if_absent("log/0.json", "mine"), FailsWith(Code::conflict));
  EXPECT_EQ(store_->get("log/0.json").value(), "mine");
  ASSERT_THAT(store_->remove("log/0.json"), Succeeds());
  EXPECT_THAT(store_->put_if_absent("log/0.json", "yours"), Succeeds());
}

TEST_P(StoreContract, OfEightThreadsThatPutThePathAtOnceOneWins) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 12;
  std::array<std::unique_ptr<Store>, 2> stores{open(), open()};
  std::array<std::array<Code, kThreads>, kRounds> told{};
  std::array<std::atomic<int>, kRounds> winner{};
  std::array<std::atomic<int>, kRounds> wins{};
  {
    std::barrier start(kThreads);
    std::vector<std::jthread> threads;
    for (int id = 0; id < kThreads; ++id)
      threads.push_back(named_thread("racer", [&, id](const std::stop_token&) {
        for (std::size_t round = 0; round < kRounds; ++round) {
          start.arrive_and_wait();
          auto put = stores[static_cast<std::size_t>(id) % 2]->put_if_absent(
              fmt::format("race/{:020}.json", round), fmt::format("by {}", id));
          if (put) {
            ++wins[round];
            winner[round] = id;
          } else {
            told[round][static_cast<std::size_t>(id)] = put.error().code;
            EXPECT_EQ(put.error().code, Code::conflict) << put.error().message;
          }
        }
      }));
  }
  for (std::size_t round = 0; round < kRounds; ++round) {
    EXPECT_EQ(wins[round], 1);
    EXPECT_EQ(store_->get(fmt::format("race/{:020}.json", round)).value(),
              fmt::format("by {}", winner[round].load()));
  }
}

TEST_P(StoreContract, WhatIsMissingIsNotFound) {
  EXPECT_THAT(store_->get("none"), FailsWith(Code::not_found));
  EXPECT_THAT(store_->get("no/such/file"), FailsWith(Code::not_found));
  EXPECT_THAT(store_->get_range("none", 0, 10), FailsWith(Code::not_found));
  EXPECT_THAT(store_->get_range("none", 0, 0), FailsWith(Code::not_found));
  EXPECT_THAT(store_->head("none"), FailsWith(Code::not_found));
  EXPECT_THAT(store_->fetch("none", scratch_.path() / "fetched"), FailsWith(Code::not_found));
  EXPECT_FALSE(std::filesystem::exists(scratch_.path() / "fetched"));
  EXPECT_THAT(store_->remove("none"), Succeeds());
  EXPECT_THAT(store_->put_file("a", scratch_.path() / "none"), FailsWith(Code::not_found));
  EXPECT_THAT(store_->get("none").error().message, HasSubstr("get none"));
}

TEST_P(StoreContract, AFolderIsNoFile) {
  ASSERT_THAT(store_->put("a/b", "x"), Succeeds());
  EXPECT_THAT(store_->get("a"), FailsWith(Code::not_found));
  EXPECT_THAT(store_->head("a"), FailsWith(Code::not_found));
  EXPECT_THAT(store_->get_range("a", 0, 1), FailsWith(Code::not_found));
}

TEST_P(StoreContract, AnEmptyFileIsAFile) {
  ASSERT_THAT(store_->put("empty", ""), Succeeds());
  EXPECT_EQ(store_->get("empty").value(), "");
  EXPECT_EQ(store_->get_range("empty", 0, 10).value(), "");
  EXPECT_EQ(store_->head("empty")->bytes, 0U);
  EXPECT_THAT(names(""), ElementsAre("empty"));
  EXPECT_THAT(store_->put_if_absent("empty", ""), FailsWith(Code::conflict));
  EXPECT_THAT(store_->put_if_absent("empty 2", ""), Succeeds());
  ASSERT_THAT(store_->put_file("empty 3", local_file(0, 1)), Succeeds());
  ASSERT_THAT(store_->fetch("empty 3", scratch_.path() / "fetched"), Succeeds());
  EXPECT_EQ(std::filesystem::file_size(scratch_.path() / "fetched"), 0U);
}

TEST_P(StoreContract, RangesEndWithTheFile) {
  ASSERT_THAT(store_->put("digits", "0123456789"), Succeeds());
  EXPECT_EQ(store_->get_range("digits", 0, 10).value(), "0123456789");
  EXPECT_EQ(store_->get_range("digits", 0, 1).value(), "0");
  EXPECT_EQ(store_->get_range("digits", 3, 4).value(), "3456");
  EXPECT_EQ(store_->get_range("digits", 9, 1).value(), "9");
  EXPECT_EQ(store_->get_range("digits", 7, 100).value(), "789");
  EXPECT_EQ(store_->get_range("digits", 10, 1).value(), "");
  EXPECT_EQ(store_->get_range("digits", 11, 5).value(), "");
  EXPECT_EQ(store_->get_range("digits", 4, 0).value(), "");
  EXPECT_EQ(store_->get_range("digits", UINT64_MAX, 10).value(), "");
  EXPECT_EQ(store_->get_range("digits", 2, UINT64_MAX).value(), "23456789");
}

TEST_P(StoreContract, ALargeFileGoesAndComesInPieces) {
  constexpr std::size_t kBytes = 40 * 1024 * 1024 + 12'345;
  std::filesystem::path local = local_file(kBytes, 7);
  ASSERT_THAT(store_->put_file("data/part-0.parquet", local), Succeeds());
  EXPECT_EQ(store_->head("data/part-0.parquet")->bytes, kBytes);
  std::string expected = noise(kBytes, 7);
  EXPECT_TRUE(store_->get("data/part-0.parquet").value() == expected);
  EXPECT_TRUE(store_->get_range("data/part-0.parquet", 8'388'600, 16'777'300).value() ==
              expected.substr(8'388'600, 16'777'300));
  std::filesystem::path fetched = scratch_.path() / "fetched";
  ASSERT_THAT(store_->fetch("data/part-0.parquet", fetched), Succeeds());
  EXPECT_TRUE(content(std::ifstream(fetched, std::ios::binary)) == expected);
}

TEST_P(StoreContract, ALargeFileIsPutIfAbsentOnceToo) {
  std::string large = noise(9 * 1024 * 1024, 8);
  ASSERT_THAT(store_->put_if_absent("large", large), Succeeds());
  EXPECT_THAT(store_->put_if_absent("large", large), FailsWith(Code::conflict));
  EXPECT_THAT(store_->put_if_absent("large", "small"), FailsWith(Code::conflict));
  EXPECT_TRUE(store_->get("large").value() == large);
  ASSERT_THAT(store_->put_if_absent("small", "small"), Succeeds());
  EXPECT_THAT(store_->put_if_absent("small", large), FailsWith(Code::conflict));
  EXPECT_EQ(store_->get("small").value(), "small");
}

TEST_P(StoreContract, APieceOfExactlyABlockIsWhole) {
  for (std::size_t bytes : {AzureStore::kBlockBytes - 1, AzureStore::kBlockBytes,
                            AzureStore::kBlockBytes + 1, 2 * AzureStore::kBlockBytes}) {
    ASSERT_THAT(store_->put_file("block", local_file(bytes, bytes)), Succeeds());
    EXPECT_TRUE(store_->get("block").value() == noise(bytes, bytes)) << bytes;
    std::filesystem::path fetched = scratch_.path() / "fetched";
    ASSERT_THAT(store_->fetch("block", fetched), Succeeds());
    EXPECT_TRUE(content(std::ifstream(fetched, std::ios::binary)) == noise(bytes, bytes)) << bytes;
  }
}

TEST(AzureLimits, ATryHasTimeForABlockOnASlowLine) {
  constexpr std::uint64_t kBitsInASecond = 500'000;
  EXPECT_LE(AzureStore::kBlockBytes * 8 / kBitsInASecond * 1000,
            static_cast<std::uint64_t>(AzureRetryOptions{}.try_ms));
  EXPECT_GE(AzureStore::kMostBlocks * AzureStore::kBlockBytes, 48ULL << 30);
}

TEST_P(StoreContract, NamesStandForThemselves) {
  const std::vector<std::string> names_used{
      "a b",          "a%20b",         "a%b",
      "a+b",          "a&b=c",         "a#b",
      "a?b",          "a:b",           "a'b\"",
      "<a>&amp;",     "~a-_.b!*()",    " ",
      "  x ",         "ü/ñ/日本語/😀", "ingest_date=2011-01-01/part-0.zstd.parquet",
      "[a]{b}^|`;,@$"};
  for (const std::string& name : names_used)
    ASSERT_THAT(store_->put_if_absent("n/" + name, "content of " + name), Succeeds()) << name;
  for (const std::string& name : names_used)
    EXPECT_EQ(store_->get("n/" + name).value_or("none"), "content of " + name);
  std::vector<std::string> listed = names("n/");
  std::vector<std::string> expected;
  for (const std::string& name : names_used) expected.push_back("n/" + name);
  EXPECT_THAT(listed, testing::UnorderedElementsAreArray(expected));
  EXPECT_THAT(names("n/a%"), testing::UnorderedElementsAre("n/a%20b", "n/a%b"));
  for (const std::string& name : names_used)
    EXPECT_THAT(store_->remove("n/" + name), Succeeds()) << name;
  EXPECT_THAT(names(""), IsEmpty());
}

TEST_P(StoreContract, MalformedPathsAreInvalidForEveryOperation) {
  const std::vector<std::string> paths{"",
                                       "/",
                                       "/a",
                                       "a/",
                                       "a//b",
                                       ".",
                                       "..",
                                       "../a",
                                       "a/../b",
                                       "a/./b",
                                       "a/..",
                                       "a.",
                                       "a./b",
                                       "a\\b",
                                       "a\nb",
                                       "a\x7f",
                                       "\xff",
                                       "a\xc3",
                                       "\xc0\xaf",
                                       std::string("a\0b", 3),
                                       std::string(255, 'x'),
                                       "a/" + std::string(1024, 'x')};
  for (const std::string& path : paths) {
    EXPECT_THAT(store_->put(path, "x"), FailsWith(Code::invalid)) << path;
    EXPECT_THAT(store_->put_if_absent(path, "x"), FailsWith(Code::invalid)) << path;
    EXPECT_THAT(store_->put_file(path, local_file(1, 1)), FailsWith(Code::invalid)) << path;
    EXPECT_THAT(store_->get(path), FailsWith(Code::invalid)) << path;
    EXPECT_THAT(store_->get_range(path, 0, 1), FailsWith(Code::invalid)) << path;
    EXPECT_THAT(store_->head(path), FailsWith(Code::invalid)) << path;
    EXPECT_THAT(store_->remove(path), FailsWith(Code::invalid)) << path;
  }
  EXPECT_THAT(names(""), IsEmpty());
}

TEST_P(StoreContract, LongNamesAreNames) {
  std::string longest = std::string(254, 'x') + "/" + std::string(254, 'y');
  ASSERT_THAT(store_->put(longest, "x"), Succeeds());
  EXPECT_EQ(store_->get(longest).value(), "x");
  EXPECT_THAT(names(""), ElementsAre(longest));
}

TEST_P(StoreContract, ListsByPrefixWithSizeAndTime) {
  UtcMicros before = clock_.now();
  for (std::string path : {"t/_delta_log/00.json", "t/_delta_log/01.json", "t/part-0", "t2/part-0"})
    ASSERT_THAT(store_->put(path, path), Succeeds());
  UtcMicros after = clock_.now();
  constexpr std::int64_t kSecond = 1'000'000;
  ASSERT_THAT(store_->list("t/",
                           [&](const StoredFile& file) {
                             EXPECT_EQ(file.bytes, file.path.size());
                             EXPECT_GE(file.modified.value, before.value - kSecond);
                             EXPECT_LE(file.modified.value, after.value + kSecond);
                             auto head = store_->head(file.path);
                             EXPECT_THAT(head, Succeeds());
                             EXPECT_EQ(head->modified, file.modified);
                             EXPECT_EQ(head->bytes, file.bytes);
                             return true;
                           }),
              Succeeds());
  EXPECT_THAT(names("t/_delta_log/"), ElementsAre("t/_delta_log/00.json", "t/_delta_log/01.json"));
  EXPECT_THAT(names("t/_delta_log/01"), ElementsAre("t/_delta_log/01.json"));
  EXPECT_THAT(names("t/part"), ElementsAre("t/part-0"));
  EXPECT_THAT(names("t"), testing::SizeIs(4));
  EXPECT_THAT(names("none/"), IsEmpty());
  EXPECT_THAT(names("t/part-0/"), IsEmpty());
  EXPECT_THAT(names("../"), IsEmpty());
}

TEST_P(StoreContract, ListsWhatComesAfterANameAndStopsWhenTold) {
  for (std::string path : {"l/1", "l/2", "l/3/a", "l/3/b", "l/30", "l/4"})
    ASSERT_THAT(store_->put(path, ""), Succeeds());
  EXPECT_THAT(names("l/", "l/2"), testing::UnorderedElementsAre("l/3/a", "l/3/b", "l/30", "l/4"));
  EXPECT_THAT(names("l/", "l/3/a"), testing::UnorderedElementsAre("l/3/b", "l/30", "l/4"));
  EXPECT_THAT(names("l/", "l/3/b"), testing::UnorderedElementsAre("l/30", "l/4"));
  EXPECT_THAT(names("l/3/", "l/3/a"), ElementsAre("l/3/b"));
  EXPECT_THAT(names("l/", "l/4"), IsEmpty());
  EXPECT_THAT(names("l/", "z"), IsEmpty());
  int seen = 0;
  ASSERT_THAT(store_->list("l/", [&](const StoredFile&) { return ++seen < 2; }), Succeeds());
  EXPECT_EQ(seen, 2);
}

TEST_P(StoreContract, ListsMoreFilesThanAPageHolds) {
  const int files = files_to_list();
  constexpr int kThreads = 8;
  {
    std::vector<std::jthread> threads;
    for (int id = 0; id < kThreads; ++id)
      threads.push_back(named_thread("put", [&, id](const std::stop_token&) {
        for (int i = id; i < files; i += kThreads)
          ASSERT_THAT(store_->put(fmt::format("many/{:06}", i), "x"), Succeeds());
      }));
  }
  ASSERT_THAT(store_->put("other", "x"), Succeeds());
  std::vector<std::string> listed = names("many/");
  ASSERT_EQ(listed.size(), files);
  EXPECT_TRUE(std::is_sorted(listed.begin(), listed.end()));
  std::string last = fmt::format("many/{:06}", files - 1);
  EXPECT_EQ(listed.back(), last);
  EXPECT_THAT(names("many/", fmt::format("many/{:06}", files - 2)), ElementsAre(last));
}

TEST_P(StoreContract, RemovedFilesAreGone) {
  ASSERT_THAT(store_->put("r/a", "x"), Succeeds());
  ASSERT_THAT(store_->put("r/b", "x"), Succeeds());
  ASSERT_THAT(store_->remove("r/a"), Succeeds());
  EXPECT_THAT(open()->get("r/a"), FailsWith(Code::not_found));
  EXPECT_THAT(names(""), ElementsAre("r/b"));
  EXPECT_THAT(store_->remove("r/a"), Succeeds());
}

INSTANTIATE_TEST_SUITE_P(Folder, StoreContract, testing::Values("folder"));
INSTANTIATE_TEST_SUITE_P(Azurite, StoreContract, testing::Values("azure"));

}  // namespace
}  // namespace tillrace::lake
