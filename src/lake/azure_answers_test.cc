// Answers that Azurite never gives: those of accounts with a hierarchical namespace, as the
// documentation describes them, and those of no Blob service at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/mutex.h"
#include "http/server.h"
#include "lake/azure_proxy_for_tests.h"
#include "lake/azure_store.h"
#include "lake/matchers_for_tests.h"

namespace tillrace::lake {
namespace {

using http::Method;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

http::Response failed(int status, std::string_view code) {
  return {status, {{"x-ms-error-code", std::string(code)}}, "", ""};
}
http::Response piece(std::string_view range, std::string body) {
  return {206, {{"Content-Range", std::string(range)}, {"ETag", "\"1\""}}, "", std::move(body)};
}

// Answers each method on /box/lake/a, and lists of the container, as the test says.
class ScriptedService {
 public:
  void answer(Method method, http::Response response) {
    MutexLock lock(mutex_);
    answers_[method] = std::move(response);
  }
  void answer_list(http::Response response) {
    MutexLock lock(mutex_);
    list_ = std::move(response);
  }
  std::string endpoint() const { return "http://" + server_->address(); }

 private:
  std::unique_ptr<http::Server> listen() {
    http::Router router;
    for (Method method : {Method::get, Method::head, Method::put, Method::delete_})
      router.add(method, "/box/lake/a", [this, method](http::Request&&, const http::Reply& reply) {
        MutexLock lock(mutex_);
        reply(answers_[method]);
      });
    router.add(Method::get, "/box", [this](http::Request&&, const http::Reply& reply) {
      MutexLock lock(mutex_);
      reply(list_);
    });
    auto server = http::Server::listen({}, std::move(router), metrics_);
    EXPECT_TRUE(server) << server.error().message;
    return std::move(*server);
  }

  Mutex mutex_;
  std::map<Method, http::Response> answers_ GUARDED_BY(mutex_);
  http::Response list_ GUARDED_BY(mutex_);
  Metrics metrics_;
  std::unique_ptr<http::Server> server_ = listen();
};

class AzureAnswers : public testing::Test {
 protected:
  void SetUp() override {
    AzureOptions options;
    options.root = "abfss://box@shop1.dfs.core.windows.net/lake";
    options.endpoint = service_.endpoint();
    options.credential = AccountKey{"a2V5"};
    auto opened = AzureStore::open(std::move(options), clock_, random_, metrics_);
    ASSERT_THAT(opened, Succeeds());
    store_ = std::move(*opened);
  }
  void there_is_a_folder() {
    http::Headers marks{{"x-ms-meta-hdi_isfolder", "true"},
                        {"Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"}};
    service_.answer(Method::head, {200, marks, "", ""});
  }
  std::vector<std::string> names(std::string_view prefix) {
    std::vector<std::string> names;
    EXPECT_THAT(store_->list(prefix,
                             [&](const StoredFile& file) {
                               names.push_back(file.path);
                               return true;
                             }),
                Succeeds());
    return names;
  }

  HastyClock clock_;
  SeededRandom random_{1};
  Metrics metrics_;
  ScriptedService service_;
  std::unique_ptr<AzureStore> store_;
};

TEST_F(AzureAnswers, AFolderIsNoFileForReaders) {
  there_is_a_folder();
  service_.answer(Method::get, failed(416, "InvalidRange"));
  EXPECT_THAT(store_->get("a"), FailsWith(Code::not_found));
  EXPECT_THAT(store_->get_range("a", 0, 1), FailsWith(Code::not_found));
  EXPECT_THAT(store_->head("a"), FailsWith(Code::not_found));
  service_.answer(Method::get, {200, {{"x-ms-resource-type", "directory"}}, "", ""});
  EXPECT_THAT(store_->get("a"), FailsWith(Code::not_found));
}

TEST_F(AzureAnswers, AFolderInTheWayOfAFileIsInvalid) {
  there_is_a_folder();
  service_.answer(Method::put, failed(409, "BlobAlreadyExists"));
  EXPECT_THAT(store_->put_if_absent("a", "x"), FailsWith(Code::invalid));
  EXPECT_THAT(store_->put("a", "x"), FailsWith(Code::invalid));
  service_.answer(Method::delete_, failed(409, "DirectoryIsNotEmpty"));
  EXPECT_THAT(store_->remove("a"), FailsWith(Code::invalid));
}

TEST_F(AzureAnswers, AFileInTheWayOfAFolderIsInvalid) {
  service_.answer(Method::put, failed(409, "PathConflict"));
  service_.answer(Method::head, failed(404, "BlobNotFound"));
  EXPECT_THAT(store_->put_if_absent("a", "x"), FailsWith(Code::invalid));
}

TEST_F(AzureAnswers, ListsGiveFilesWithoutTheirFolders) {
  service_.answer_list(
      {200,
       {},
       "application/xml",
       "<EnumerationResults><Blobs>"
       "<Blob><Name>lake/t</Name><Properties><ResourceType>directory</ResourceType></Properties>"
       "</Blob><Blob><Name>lake/t/0</Name><Properties><ResourceType>file</ResourceType>"
       "<Last-Modified>Sun, 06 Nov 1994 08:49:37 GMT</Last-Modified><Content-Length>1"
       "</Content-Length></Properties></Blob><Blob><Name>lake/t//x</Name><Properties>"
       "<Last-Modified>Sun, 06 Nov 1994 08:49:37 GMT</Last-Modified><Content-Length>1"
       "</Content-Length></Properties></Blob></Blobs><NextMarker /></EnumerationResults>"});
  EXPECT_THAT(names(""), ElementsAre("t/0"));
}

TEST_F(AzureAnswers, APrefixOfNoFolderIsEmpty) {
  service_.answer_list(failed(404, "PathNotFound"));
  EXPECT_THAT(names("none/"), IsEmpty());
  service_.answer_list(failed(404, "FilesystemNotFound"));
  EXPECT_THAT(store_->list("", [](const StoredFile&) { return true; }),
              FailsWith(Code::unavailable));
}

TEST_F(AzureAnswers, A404OfNoBlobServiceIsNoMissingFile) {
  service_.answer(Method::get, {404, {}, "text/html", "<html>not here</html>"});
  service_.answer(Method::head, {404, {}, "", ""});
  service_.answer(Method::delete_, {404, {}, "", ""});
  EXPECT_THAT(store_->get("a"), FailsWith(Code::unavailable));
  EXPECT_THAT(store_->head("a"), FailsWith(Code::unavailable));
  EXPECT_THAT(store_->remove("a"), FailsWith(Code::unavailable));
}

TEST_F(AzureAnswers, AnAnswerThatIsNoAnswerIsUnavailable) {
  for (int status : {200, 301, 403}) {
    http::Response page{status, {}, "text/html", "<html>please sign in</html>"};
    service_.answer(Method::get, page);
    service_.answer(Method::put, page);
    service_.answer(Method::head, page);
    service_.answer(Method::delete_, page);
    service_.answer_list(page);
    EXPECT_THAT(store_->get("a"), FailsWith(Code::unavailable));
    EXPECT_THAT(store_->get_range("a", 0, 1), FailsWith(Code::unavailable));
    EXPECT_THAT(store_->head("a"), FailsWith(Code::unavailable));
    EXPECT_THAT(store_->put("a", "x"), FailsWith(Code::unavailable));
    EXPECT_THAT(store_->put_if_absent("a", "x"), FailsWith(Code::unavailable));
    EXPECT_THAT(store_->remove("a"), FailsWith(Code::unavailable));
    EXPECT_THAT(store_->list("", [](const StoredFile&) { return true; }),
                FailsWith(Code::unavailable));
  }
}

TEST_F(AzureAnswers, ARangeThatWasNotAskedForIsUnavailable) {
  for (const http::Response& wrong :
       {piece("bytes 1-1/4", "b"), piece("bytes 0-1/4", "ab"), piece("bytes 0-0/4", ""),
        piece("bytes 0-0/*", "a"), piece("bytes 0-0", "a"), piece("", "a"),
        http::Response{206, {}, "", "a"}}) {
    service_.answer(Method::get, wrong);
    EXPECT_THAT(store_->get_range("a", 0, 1), FailsWith(Code::unavailable));
  }
  service_.answer(Method::get, piece("bytes 0-0/4", "a"));
  EXPECT_EQ(store_->get_range("a", 0, 1).value_or("none"), "a");
}

TEST_F(AzureAnswers, AConflictWithAFileThatIsGoneMeanwhileIsUnavailable) {
  service_.answer(Method::put, failed(409, "BlobAlreadyExists"));
  service_.answer(Method::head, failed(404, "BlobNotFound"));
  EXPECT_THAT(store_->put_if_absent("a", "x"), FailsWith(Code::unavailable));
}

TEST_F(AzureAnswers, AFileThatMayNotBeWrittenIsNoConflict) {
  for (std::string code : {"BlobImmutableDueToPolicy", "LeaseIdMissing"}) {
    service_.answer(Method::put, failed(412, code));
    service_.answer(Method::head, failed(404, "BlobNotFound"));
    auto put = store_->put_if_absent("a", "x");
    EXPECT_THAT(put, FailsWith(Code::unavailable));
    EXPECT_THAT(put.error().message, HasSubstr(code));
  }
}

}  // namespace
}  // namespace tillrace::lake
