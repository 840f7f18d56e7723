#include "lake/azure_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

#include "lake/azure_base64.h"
#include "lake/azure_time.h"
#include "lake/store_path.h"

namespace tillrace::lake {
namespace {

namespace fs = std::filesystem;
using http::Method;

constexpr std::string_view kWriteId = "x-ms-meta-tillrace_write_id";
constexpr int kMostPageFiles = 5'000;

std::string random_id(Random& random) {
  std::array<std::uint8_t, 16> bytes{};
  random.fill(bytes);
  std::string text;
  for (std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

// Block names of one file have one length; those of two uploads of a file differ.
std::string block_id(std::string_view upload_id, std::uint64_t index) {
  return base64_encode(fmt::format("{}-{:08}", upload_id, index));
}

bool is_folder(const http::Response& answer) {
  return answer.headers.find("x-ms-meta-hdi_isfolder") == "true" ||
         answer.headers.find("x-ms-resource-type") == "directory";
}

// 404 is said of files, folders, containers and accounts.
bool is_missing_file(const http::Response& answer) {
  std::string code = error_code(answer);
  return answer.status == 404 &&
         (code == "BlobNotFound" || code == "ResourceNotFound" || code == "PathNotFound");
}

Code code_of(const http::Response& answer) {
  std::string code = error_code(answer);
  if (is_missing_file(answer)) return Code::not_found;
  bool no_name = code == "InvalidUri" || code == "InvalidResourceName" || code == "OutOfRangeInput";
  bool folder = code == "DirectoryIsNotEmpty" || code == "ResourceTypeMismatch" ||
                code == "PathConflict" || code == "InvalidSourceOrDestinationResourceType";
  return no_name || folder ? Code::invalid : Code::unavailable;
}

std::string hint_of(const http::Response& answer) {
  std::string code = error_code(answer);
  if (code == "ContainerNotFound" || code == "FilesystemNotFound")
    return "; make the container first";
  if (answer.status == 401 || code == "AuthenticationFailed")
    return "; the credentials are not accepted (or this machine's clock is wrong)";
  if (answer.status == 403) return "; the credentials do not permit it";
  return {};
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

class LocalFile {
 public:
  static Result<LocalFile> open(const fs::path& path) {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (fd < 0 || ::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
      int number = fd < 0 ? errno : EISDIR;
      if (fd >= 0) ::close(fd);
      return fail(number == ENOENT ? Code::not_found : Code::unavailable, "cannot read {}: {}",
                  path.string(), std::generic_category().message(number));
    }
    return LocalFile(fd, static_cast<std::uint64_t>(status.st_size), path);
  }
  LocalFile(LocalFile&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), bytes_(other.bytes_), path_(std::move(other.path_)) {}
  LocalFile& operator=(LocalFile&&) = delete;
  ~LocalFile() {
    if (fd_ >= 0) ::close(fd_);
  }

  std::uint64_t bytes() const { return bytes_; }
  // Exactly that many: the file must not have become shorter.
  Result<std::string> read(std::uint64_t offset, std::size_t length) const {
    std::string bytes(length, '\0');
    for (std::size_t size = 0; size < length;) {
      ssize_t got =
          ::pread(fd_, bytes.data() + size, length - size, static_cast<off_t>(offset + size));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0)
        return fail(Code::unavailable, "cannot read {}: {}", path_.string(),
                    got == 0 ? "it has become shorter" : std::generic_category().message(errno));
      size += static_cast<std::size_t>(got);
    }
    return bytes;
  }

 private:
  LocalFile(int fd, std::uint64_t bytes, fs::path path)
      : fd_(fd), bytes_(bytes), path_(std::move(path)) {}

  int fd_;
  std::uint64_t bytes_;
  fs::path path_;
};

}  // namespace

// A file of the store, and what is being done with it.
struct AzureStore::Blob {
  std::string path;  // in the store
  std::string url_path;
  std::string doing;  // "get a/b"

  tl::unexpected<Error> refused(const http::Response& answer) const {
    return fail(code_of(answer), "{}: {}{}", doing, describe(answer), hint_of(answer));
  }
};

// What is to be written; read piece by piece.
struct AzureStore::Content {
  std::uint64_t bytes = 0;
  std::function<Result<std::string>(std::uint64_t offset, std::size_t length)> read;
};

struct AzureStore::Piece {
  std::string bytes;
  std::uint64_t file_bytes = 0;
  std::string etag;
  bool is_beyond = false;  // the file ends before it
};

AzureStore::AzureStore(AzureRoot root, std::string container_path, int page_files,
                       std::unique_ptr<AzureClient> client, Random& random)
    : root_(std::move(root)),
      container_path_(std::move(container_path)),
      page_files_(std::clamp(page_files, 1, kMostPageFiles)),
      client_(std::move(client)),
      random_(random) {}

Result<std::unique_ptr<AzureStore>> AzureStore::open(AzureOptions options, Clock& clock,
                                                     Random& random, Metrics& metrics) {
  auto root = parse_azure_root(options.root);
  if (!root) return fail(root.error());
  auto endpoint = options.endpoint.empty() ? Result<Endpoint>(blob_endpoint(*root))
                                           : parse_endpoint(options.endpoint);
  if (!endpoint) return fail(endpoint.error());
  auto credential = open_credential(std::move(options.credential), root->account, *endpoint, clock);
  if (!credential) return fail(credential.error(), "the lake's credentials");
  std::string container_path = endpoint->path + "/" + root->container;
  auto client = std::make_unique<AzureClient>(std::move(*endpoint), std::move(*credential),
                                              options.retry, clock, random, metrics);
  return std::make_unique<AzureStore>(std::move(*root), std::move(container_path),
                                      options.page_files, std::move(client), random);
}

Result<AzureStore::Blob> AzureStore::blob(std::string_view operation, std::string_view path) const {
  std::string name = join_paths(root_.path, path);
  Status valid = check_path(path);
  if (valid) valid = check_path(name);
  if (!valid) return fail(valid.error(), operation);
  return Blob{std::string(path), container_path_ + "/" + encode_path(name),
              fmt::format("{} {}", operation, path)};
}

AzureRequest AzureStore::request(Method method, const Blob& blob) const {
  return {.method = method,
          .path = blob.url_path,
          .query = {},
          .headers = {},
          .body = {},
          .signed_query = {}};
}

Status AzureStore::put_if_absent(std::string_view path, std::string_view bytes) {
  auto to = blob("put_if_absent", path);
  if (!to) return fail(to.error());
  Content content{bytes.size(), [&](std::uint64_t offset, std::size_t length) {
                    return std::string(bytes.substr(offset, length));
                  }};
  return upload(*to, content, random_id(random_));
}

Status AzureStore::put(std::string_view path, std::string_view bytes) {
  auto to = blob("put", path);
  if (!to) return fail(to.error());
  Content content{bytes.size(), [&](std::uint64_t offset, std::size_t length) {
                    return std::string(bytes.substr(offset, length));
                  }};
  return upload(*to, content, {});
}

Status AzureStore::put_file(std::string_view path, const fs::path& local) {
  auto to = blob("put_file", path);
  if (!to) return fail(to.error());
  auto file = LocalFile::open(local);
  if (!file) return fail(file.error(), to->doing);
  if (file->bytes() > kMostBlocks * kBlockBytes)
    return fail(Code::exhausted, "{}: {} has {} bytes; at most {}", to->doing, local.string(),
                file->bytes(), kMostBlocks * kBlockBytes);
  Content content{file->bytes(), [&](std::uint64_t offset, std::size_t length) {
                    return file->read(offset, length);
                  }};
  return upload(*to, content, {});
}

// With a write_id the file must be absent.
Status AzureStore::upload(const Blob& blob, const Content& content, std::string_view write_id) {
  auto answer = content.bytes <= kBlockBytes ? put_whole(blob, content, write_id)
                                             : put_blocks(blob, content, write_id);
  if (!answer) return fail(answer.error());
  if (answer->status == 201) return {};
  if (answer->status == 409 || answer->status == 412)
    return explain_conflict(blob, *answer, write_id);
  return blob.refused(*answer);
}

Result<http::Response> AzureStore::put_whole(const Blob& blob, const Content& content,
                                             std::string_view write_id) {
  auto body = content.read(0, static_cast<std::size_t>(content.bytes));
  if (!body) return fail(body.error(), blob.doing);
  AzureRequest put = request(Method::put, blob);
  put.headers.add("Content-Type", "application/octet-stream");
  put.headers.add("x-ms-blob-type", "BlockBlob");
  if (!write_id.empty()) put.headers.add("If-None-Match", "*");
  if (!write_id.empty()) put.headers.add(kWriteId, write_id);
  put.body = std::move(*body);
  return client_->send(put, blob.doing);
}

Result<http::Response> AzureStore::put_blocks(const Blob& blob, const Content& content,
                                              std::string_view write_id) {
  std::string upload_id = random_id(random_);
  std::string blocks;
  std::uint64_t index = 0;
  for (std::uint64_t offset = 0; offset < content.bytes; offset += kBlockBytes, ++index) {
    auto bytes = content.read(offset, static_cast<std::size_t>(std::min<std::uint64_t>(
                                          kBlockBytes, content.bytes - offset)));
    if (!bytes) return fail(bytes.error(), blob.doing);
    AzureRequest put = request(Method::put, blob);
    put.query = {{"comp", "block"}, {"blockid", block_id(upload_id, index)}};
    put.headers.add("Content-Type", "application/octet-stream");
    put.body = std::move(*bytes);
    auto answer = client_->send(put, blob.doing);
    if (!answer || answer->status != 201) return answer;
    blocks += fmt::format("<Latest>{}</Latest>", block_id(upload_id, index));
  }
  AzureRequest commit = request(Method::put, blob);
  commit.query = {{"comp", "blocklist"}};
  commit.headers.add("Content-Type", "application/xml");
  commit.headers.add("x-ms-blob-content-type", "application/octet-stream");
  if (!write_id.empty()) commit.headers.add("If-None-Match", "*");
  if (!write_id.empty()) commit.headers.add(kWriteId, write_id);
  commit.body =
      fmt::format(R"(<?xml version="1.0" encoding="utf-8"?><BlockList>{}</BlockList>)", blocks);
  return client_->send(commit, blob.doing);
}

// Whose file is there, or whether it is a folder.
Status AzureStore::explain_conflict(const Blob& blob, const http::Response& answer,
                                    std::string_view write_id) {
  auto found = look_at(blob);
  if (!found) return fail(found.error());
  if (is_folder(*found))
    return fail(Code::invalid, "{}: it names a folder ({})", blob.doing, describe(answer));
  if (write_id.empty() || found->status != 200) return blob.refused(answer);
  if (found->headers.find(kWriteId) == write_id) return {};
  return fail(Code::conflict, "{}: the file is there already ({})", blob.doing, describe(answer));
}

Result<http::Response> AzureStore::look_at(const Blob& blob) {
  return client_->send(request(Method::head, blob), blob.doing);
}

Result<StoredFile> AzureStore::head(std::string_view path) {
  auto from = blob("head", path);
  if (!from) return fail(from.error());
  auto answer = look_at(*from);
  if (!answer) return fail(answer.error());
  if (answer->status != 200) return from->refused(*answer);
  if (is_folder(*answer))
    return fail(Code::not_found, "{}: there is a folder, no file", from->doing);
  auto bytes = number_of(answer->headers.find("Content-Length").value_or(""));
  auto modified = parse_http_date(answer->headers.find("Last-Modified").value_or(""));
  if (!bytes || !modified)
    return fail(Code::unavailable, "{}: the answer lacks size or time", from->doing);
  return StoredFile{from->path, *bytes, *modified};
}

// One request. `etag`, when there is one, is that of the pieces before.
Result<AzureStore::Piece> AzureStore::get_piece(const Blob& blob, std::uint64_t offset,
                                                std::uint64_t length, std::string_view etag) {
  AzureRequest get = request(Method::get, blob);
  get.headers.add("x-ms-range", fmt::format("bytes={}-{}", offset, offset + length - 1));
  if (!etag.empty()) get.headers.add("If-Match", etag);
  auto answer = client_->send(get, blob.doing);
  if (!answer) return fail(answer.error());
  if (is_folder(*answer))
    return fail(Code::not_found, "{}: there is a folder, no file", blob.doing);
  if (answer->status == 416) return Piece{.bytes = {}, .etag = {}, .is_beyond = true};
  if (answer->status != 206) return blob.refused(*answer);
  std::string_view range = answer->headers.find("Content-Range").value_or("");
  auto file_bytes = number_of(range.substr(std::min(range.find('/'), range.size() - 1) + 1));
  std::string expected = fmt::format("bytes {}-", offset);
  if (!range.starts_with(expected) || !file_bytes ||
      answer->body.size() != std::min(length, *file_bytes - offset))
    return fail(Code::unavailable, "{}: the answer is not the range that was asked for",
                blob.doing);
  return Piece{std::move(answer->body), *file_bytes,
               std::string(answer->headers.find("ETag").value_or("")), false};
}

Result<std::string> AzureStore::get(std::string_view path) {
  auto from = blob("get", path);
  if (!from) return fail(from.error());
  auto piece = get_piece(*from, 0, kBlockBytes, {});
  if (!piece) return fail(piece.error());
  if (piece->is_beyond) {  // an empty file has no range; nor has a folder
    auto found = head(path);
    if (!found) return fail(found.error());
    return std::string();
  }
  if (piece->file_bytes > kMostGetBytes)
    return fail(Code::exhausted, "{}: it has {} bytes; read it in ranges, at most {} at a time",
                from->doing, piece->file_bytes, kMostGetBytes);
  std::string bytes = std::move(piece->bytes);
  bytes.reserve(piece->file_bytes);
  while (bytes.size() < piece->file_bytes) {
    auto next = get_piece(*from, bytes.size(), kBlockBytes, piece->etag);
    if (!next) return fail(next.error());
    if (next->is_beyond || next->file_bytes != piece->file_bytes)
      return fail(Code::unavailable, "{}: the file changed meanwhile", from->doing);
    bytes += next->bytes;
  }
  return bytes;
}

Result<std::string> AzureStore::get_range(std::string_view path, std::uint64_t offset,
                                          std::uint64_t length) {
  auto from = blob("get_range", path);
  if (!from) return fail(from.error());
  length = std::min(length, kMostGetBytes);
  std::string bytes;
  std::string etag;
  bool ended = length == 0 || offset > INT64_MAX - length;
  bool seen = false;
  while (!ended && bytes.size() < length) {
    std::uint64_t step = std::min<std::uint64_t>(kBlockBytes, length - bytes.size());
    auto piece = get_piece(*from, offset + bytes.size(), step, etag);
    if (!piece) return fail(piece.error());
    ended = piece->is_beyond || piece->bytes.size() < step;
    seen = seen || !piece->is_beyond;
    bytes += piece->bytes;
    etag = std::move(piece->etag);
  }
  if (seen) return bytes;
  auto found = head(path);  // whether there is such a file at all
  if (!found) return fail(found.error());
  return bytes;
}

Result<ListAnswer> AzureStore::list_page(std::string_view prefix, std::string_view marker) {
  std::string doing = fmt::format("list {}", prefix);
  AzureRequest get;
  get.path = container_path_;
  get.query = {{"restype", "container"},
               {"comp", "list"},
               {"include", "metadata"},  // says which are folders
               {"maxresults", std::to_string(page_files_)},
               {"prefix", std::string(prefix)}};
  if (!marker.empty()) get.query.emplace_back("marker", marker);
  auto answer = client_->send(get, doing);
  if (!answer) return fail(answer.error());
  if (is_missing_file(*answer)) return ListAnswer{};  // a prefix of no folder
  if (answer->status != 200)
    return fail(code_of(*answer), "{}: {}{}", doing, describe(*answer), hint_of(*answer));
  auto page = decode_list_answer(answer->body);
  if (!page) return fail(page.error(), doing);
  return page;
}

Status AzureStore::list(std::string_view prefix, std::string_view start_after, const Visit& visit) {
  std::string root = root_.path.empty() ? std::string() : root_.path + "/";
  std::string full_prefix = root + std::string(prefix);
  std::string marker;
  do {
    auto page = list_page(full_prefix, marker);
    if (!page) return fail(page.error());
    for (const ListedBlob& found : page->blobs) {
      if (found.is_folder || !found.name.starts_with(full_prefix)) continue;
      std::string path = found.name.substr(root.size());
      if (path <= start_after || !check_path(path)) continue;
      if (!visit({std::move(path), found.bytes, found.modified})) return {};
    }
    marker = std::move(page->next_marker);
  } while (!marker.empty());
  return {};
}

Status AzureStore::remove(std::string_view path) {
  auto from = blob("remove", path);
  if (!from) return fail(from.error());
  AzureRequest remove = request(Method::delete_, *from);
  remove.headers.add("x-ms-delete-snapshots", "include");
  auto answer = client_->send(remove, from->doing);
  if (!answer) return fail(answer.error());
  if (answer->status == 202 || is_missing_file(*answer)) return {};
  return from->refused(*answer);
}

std::optional<fs::path> AzureStore::local_path(std::string_view /*path*/) const {
  return std::nullopt;
}

}  // namespace tillrace::lake
