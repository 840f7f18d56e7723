// What the Blob service's documentation writes down: signatures, times, lists, errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "lake/azure_base64.h"
#include "lake/azure_client.h"
#include "lake/azure_list.h"
#include "lake/azure_shared_key.h"
#include "lake/azure_time.h"
#include "lake/matchers_for_tests.h"

namespace tillrace::lake {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

// The examples of "Authorize with Shared Key".
TEST(SharedKey, SignsWhatTheDocumentationSigns) {
  AzureRequest get;
  get.path = "/mycontainer";
  get.query = {{"comp", "metadata"}, {"restype", "container"}, {"timeout", "20"}};
  get.headers = {{"x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT"}, {"x-ms-version", "2015-02-21"}};
  EXPECT_EQ(string_to_sign(get, "myaccount"),
            "GET\n\n\n\n\n\n\n\n\n\n\n\n"
            "x-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
            "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20");
}

TEST(SharedKey, AgreesWithAnotherProgramsSignature) {
  AzureRequest get;
  get.path = "/mycontainer";
  get.query = {{"timeout", "20"}, {"restype", "container"}, {"comp", "metadata"}};
  get.headers = {{"X-MS-Version", "2015-02-21"}, {"x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT"}};
  auto key = SharedKey::parse(
      "myaccount",
      "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==");
  ASSERT_THAT(key, Succeeds());
  // By Python's hmac, for the text of the test above and the well-known key of every Azurite.
  EXPECT_EQ(key->authorization(get),
            "SharedKey myaccount:1u9lui2jDxj0+fpbHjQ5m5NnastJRSYM+PSmfi8TXx4=");
}

TEST(SharedKey, SignsEachStandardFieldInItsLine) {
  AzureRequest put;
  put.method = http::Method::put;
  put.path = "/c/a%20b";
  put.headers = {{"Content-Encoding", "1"},
                 {"Content-Language", "2"},
                 {"Content-MD5", "4"},
                 {"Content-Type", "5"},
                 {"If-Modified-Since", "7"},
                 {"If-Match", "8"},
                 {"If-None-Match", "9"},
                 {"If-Unmodified-Since", "10"},
                 {"Range", "11"},
                 {"x-ms-b", "b"},
                 {"X-ms-a", "a"},
                 {"Other", "not signed"}};
  put.body = "body";
  EXPECT_EQ(string_to_sign(put, "acc"),
            "PUT\n1\n2\n4\n4\n5\n\n7\n8\n9\n10\n11\nx-ms-a:a\nx-ms-b:b\n/acc/c/a%20b");
}

TEST(SharedKey, AnEmptyBodyHasNoLength) {
  AzureRequest put;
  put.method = http::Method::put;
  put.path = "/c/a";
  EXPECT_THAT(string_to_sign(put, "acc"), testing::StartsWith("PUT\n\n\n\n\n"));
}

TEST(SharedKey, AKeyThatIsNoBase64IsInvalidAndNotShown) {
  for (std::string key : {"", "c2VjcmV", "s3cret!!", "c2Vj=mV0", "====", "YQ==="}) {
    auto parsed = SharedKey::parse("acc", key);
    ASSERT_THAT(parsed, FailsWith(Code::invalid)) << key;
    EXPECT_TRUE(key.empty() || parsed.error().message.find(key) == std::string::npos) << key;
  }
}

TEST(Base64, GoesThereAndBack) {
  EXPECT_EQ(base64_encode(""), "");
  EXPECT_EQ(base64_encode("a"), "YQ==");
  EXPECT_EQ(base64_encode("ab"), "YWI=");
  EXPECT_EQ(base64_encode("abc"), "YWJj");
  EXPECT_EQ(base64_decode("YWI="), "ab");
  EXPECT_EQ(base64_decode("YWI"), std::nullopt);
  EXPECT_EQ(base64_decode("YW I"), std::nullopt);
  EXPECT_EQ(base64_decode("YWI_"), std::nullopt);
  EXPECT_TRUE(rc::check(
      [](const std::string& bytes) { RC_ASSERT(base64_decode(base64_encode(bytes)) == bytes); }));
}

TEST(HttpDate, IsWrittenAndReadAsRfc9110Says) {
  constexpr UtcMicros kTime{784111777LL * 1'000'000};
  EXPECT_EQ(http_date(kTime), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), kTime);
  EXPECT_EQ(http_date({0}), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(parse_http_date("Thu, 29 Feb 2024 23:59:59 GMT")->value, 1'709'251'199LL * 1'000'000);
  EXPECT_TRUE(rc::check([]() {
    auto seconds = *rc::gen::inRange<std::int64_t>(0, kLatestSecond);
    UtcMicros time{seconds * 1'000'000};
    RC_ASSERT(parse_http_date(http_date(time)) == time);
  }));
}

TEST(HttpDate, AnythingElseIsNone) {
  for (std::string text : {"", "Sun, 06 Nov 1994 08:49:37", "Sunday, 06-Nov-94 08:49:37 GMT",
                           "Sun Nov  6 08:49:37 1994", "Sun, 31 Feb 1994 08:49:37 GMT",
                           "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
                           "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, -6 Nov 1994 08:49:37 GMT",
                           "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 00 Nov 1994 08:49:37 GMT"})
    EXPECT_EQ(parse_http_date(text), std::nullopt) << text;
}

std::string list_of(std::string_view blobs, std::string_view marker = "") {
  return fmt::format(
      "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults "
      "ServiceEndpoint=\"https://myaccount.blob.core.windows.net/\" ContainerName=\"c\">"
      "<Prefix>p/</Prefix><MaxResults>5000</MaxResults><Blobs>{}</Blobs><NextMarker>{}</NextMarker>"
      "</EnumerationResults>",
      blobs, marker);
}
std::string blob_of(std::string_view name, std::string_view properties = "") {
  return fmt::format(
      "<Blob>{}<Properties><Last-Modified>Wed, 09 Sep 2009 09:20:02 GMT</Last-Modified>"
      "<Etag>0x8CBFF45D8A29A19</Etag><Content-Length>100</Content-Length>{}</Properties>"
      "<Metadata /></Blob>",
      name, properties);
}

TEST(ListAnswer, GivesNamesSizesTimesAndTheNextPage) {
  auto answer = decode_list_answer(list_of(blob_of("<Name>p/a.txt</Name>"), "2!92!MDAw"));
  ASSERT_THAT(answer, Succeeds());
  ASSERT_THAT(answer->blobs, SizeIs(1));
  EXPECT_EQ(answer->blobs[0].name, "p/a.txt");
  EXPECT_EQ(answer->blobs[0].bytes, 100U);
  EXPECT_EQ(to_string(answer->blobs[0].modified), "2009-09-09T09:20:02.000000Z");
  EXPECT_FALSE(answer->blobs[0].is_folder);
  EXPECT_EQ(answer->next_marker, "2!92!MDAw");
  EXPECT_THAT(decode_list_answer(list_of(""))->blobs, IsEmpty());
  EXPECT_EQ(decode_list_answer(list_of(""))->next_marker, "");
}

TEST(ListAnswer, KnowsTheFoldersOfAHierarchicalNamespaceByEitherMark) {
  auto by_type = decode_list_answer(
      list_of(blob_of("<Name>p</Name>", "<ResourceType>directory</ResourceType>")));
  EXPECT_TRUE(by_type->blobs.at(0).is_folder);
  auto file =
      decode_list_answer(list_of(blob_of("<Name>p</Name>", "<ResourceType>file</ResourceType>")));
  EXPECT_FALSE(file->blobs.at(0).is_folder);
  auto by_mark = decode_list_answer(
      list_of("<Blob><Name>p</Name><Properties /><Metadata><hdi_isfolder>true</hdi_isfolder>"
              "</Metadata></Blob>"));
  EXPECT_TRUE(by_mark->blobs.at(0).is_folder);
}

TEST(ListAnswer, NamesAreDecodedAsTheySay) {
  auto name = [](std::string_view element) {
    return decode_list_answer(list_of(blob_of(element)))->blobs.at(0).name;
  };
  EXPECT_EQ(name("<Name>a &amp; &lt;b&gt; %41</Name>"), "a & <b> %41");
  EXPECT_EQ(name("<Name Encoded=\"true\">a%EF%BF%BE%41</Name>"),
            "a\xef\xbf\xbe"
            "A");
  EXPECT_EQ(name("<Name>  </Name>"), "  ");
  EXPECT_EQ(name("<Name>\xc3\xbc</Name>"), "\xc3\xbc");
}

TEST(ListAnswer, AnythingElseIsUnavailable) {
  for (std::string xml :
       {std::string(), std::string("<html><body>login</body></html>"), std::string("{}"),
        list_of(blob_of("<Name>a</Name>")).substr(0, 300), list_of(blob_of("<Name></Name>")),
        list_of(blob_of("")), list_of("<Blob><Name>a</Name></Blob>"),
        list_of("<Blob><Name>a</Name><Properties><Last-Modified>Wed, 09 Sep 2009 09:20:02 GMT"
                "</Last-Modified><Content-Length>-1</Content-Length></Properties></Blob>"),
        list_of(blob_of("<Name Encoded=\"true\">a%E</Name>")),
        std::string("<EnumerationResults><Blobs /></EnumerationResults>"),
        std::string("<EnumerationResults><NextMarker /></EnumerationResults>")})
    EXPECT_THAT(decode_list_answer(xml), FailsWith(Code::unavailable)) << xml;
}

TEST(ListAnswer, EntitiesOfADoctypeAreNotExpanded) {
  constexpr std::string_view kDoctype = "<!DOCTYPE x [<!ENTITY lol \"lollollol\">]>";
  std::string xml = list_of(blob_of("<Name>&lol;</Name>"));
  xml.insert(xml.find("<EnumerationResults"), kDoctype);
  auto answer = decode_list_answer(xml);
  ASSERT_THAT(answer, Succeeds());
  EXPECT_EQ(answer->blobs.at(0).name, "&lol;");
}

http::Response answer_with(int status, http::Headers headers, std::string body = {}) {
  return {status, std::move(headers), "", std::move(body)};
}

TEST(Describe, TellsStatusCodeAndRequest) {
  EXPECT_EQ(describe(answer_with(
                404, {{"x-ms-error-code", "BlobNotFound"}, {"x-ms-request-id", "1a-2b"}})),
            "status 404 BlobNotFound, x-ms-request-id 1a-2b");
  EXPECT_EQ(describe(answer_with(500, {}, "<Error><Code>InternalError</Code></Error>")),
            "status 500 InternalError");
  EXPECT_EQ(describe(answer_with(502, {{"x-ms-error-code", "a b\x1b[31m"}}, "<html>")),
            "status 502");
}

TEST(AskedPause, ReadsSecondsMillisecondsAndDates) {
  using std::chrono::milliseconds;
  constexpr UtcMicros kNow{784111777LL * 1'000'000};
  auto pause = [&](http::Headers headers) {
    return asked_pause(answer_with(503, std::move(headers)), kNow);
  };
  EXPECT_EQ(pause({{"Retry-After", "3"}}), milliseconds(3'000));
  EXPECT_EQ(pause({{"x-ms-retry-after-ms", "250"}, {"Retry-After", "3"}}), milliseconds(250));
  EXPECT_EQ(pause({{"Retry-After", "Sun, 06 Nov 1994 08:49:47 GMT"}}), milliseconds(10'000));
  EXPECT_EQ(pause({{"Retry-After", "Sun, 06 Nov 1994 08:49:07 GMT"}}), milliseconds(0));
  EXPECT_EQ(pause({{"Retry-After", "-5"}}), milliseconds(0));
  EXPECT_EQ(pause({{"Retry-After", "soon"}}), milliseconds(0));
  EXPECT_EQ(pause({{"Retry-After", "99999999999999"}}), std::chrono::hours(24));
  EXPECT_EQ(pause({}), milliseconds(0));
}

}  // namespace
}  // namespace tillrace::lake
